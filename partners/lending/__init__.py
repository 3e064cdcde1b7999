"""信易贷: an application for a loan, the answers its holder lets one bank have, and what came of it."""

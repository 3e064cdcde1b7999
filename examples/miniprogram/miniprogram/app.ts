/** The mini-program begins. Everything that it knows of a person it asks for when it is shown, and keeps nothing but the
 * refresh token. */
App({});

/** Opening a case with its papers. One thing to know: the case is there before its papers are, so a paper that does not
 * arrive is told of where the case is shown, and can be handed in again. */
import { nextTick, ref, type Ref } from "vue";
import { useI18n } from "vue-i18n";
import { useRouter } from "vue-router";
import { AddEvidence } from "../../generated/citizen";
import { useAnew } from "../../shared/anew";
import { good, type Document } from "../../shared/graphql";
import { Refused, Unreachable } from "../../shared/http";
import { sentence, useClient } from "../../shared/page";
import { paperOf, TooLarge } from "./files";

/** How a case is opened: `open` takes the variables of `document`, hands in the papers, closes the question (`isAsked`)
 * and goes to the case. */
export function useOpening<Result, Variables>(document: Document<Result, Variables>, take: (data: Result) => { id: string }, isAsked: Ref<boolean>) {
  const client = useClient();
  const anew = useAnew();
  const router = useRouter();
  const { t, te } = useI18n();
  const error = ref<unknown>(null);
  const isBusy = ref(false);

  async function open(variables: Variables, papers: File[]): Promise<void> {
    [error.value, isBusy.value] = [null, true];
    try {
      const { id: caseId } = take(await client.ask(document, variables));
      const missing: string[] = [];
      for (const paper of papers) {
        try {
          good((await client.ask(AddEvidence, { input: { caseId, ...(await paperOf(paper)) } })).addEvidence);
        } catch (caught) {
          missing.push(caught instanceof TooLarge ? t("rights.papers.tooLarge", { name: paper.name }) : `${paper.name}: ${sentence(caught, t)}`);
        }
      }
      anew();
      isAsked.value = false;
      await nextTick();
      await router.push({ path: `/cases/${encodeURIComponent(caseId)}`, query: missing.length ? { missing } : { new: "1" } });
    } catch (caught) {
      error.value = plainly(caught);
      // Where the answer was lost, what the page shows next says whether it was done.
      if (caught instanceof Unreachable && caught.isUnsure) anew();
    }
    isBusy.value = false;
  }

  // The server names a case by its id, which says nothing to people.
  function plainly(caught: unknown): unknown {
    const key = caught instanceof Refused ? `rights.cases.problem.${caught.code}` : "";
    return caught instanceof Refused && te(key) ? new Refused(caught.code, t(key)) : caught;
  }

  return { open, error, isBusy };
}

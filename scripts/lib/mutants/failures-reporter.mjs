// A reporter for `node --test`: one line of JSON for each test that failed, as soon as it has.

// eslint-disable-next-line import/no-default-export -- what --test-reporter takes
export default async function* failures(source) {
  for await (const { type, data } of source) {
    if (type !== "test:fail") continue;
    const error = data.details?.error;
    // A suite or file that fails because a test in it did says nothing new.
    if (error?.failureType === "subtestsFailed") continue;
    const why = String(error?.cause?.message ?? error?.message);
    // A test that was cut off, or cancelled with the file around it, has found nothing.
    const noEnd = error?.failureType === "testTimeoutFailure" || error?.failureType === "cancelledByParent";
    yield `${JSON.stringify({ name: data.name, file: data.file, why, noEnd })}\n`;
  }
}

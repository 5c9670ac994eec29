import type { LivenessTask } from "../src/liveness-protocol.js" with { "resolution-mode": "import" };

/**
 * What piscina loads into the thread. It uses require(), and Node 20 aborts the whole process when a thread is taken
 * down while it requires an ES module ("v8::Module::IsGraphAsync must be used on an instantiated module"), as a locker
 * does that is closed while it starts. import() can be broken off at any time.
 */
module.exports = async (task: LivenessTask): Promise<void> => {
  const { default: liveness } = await import("./liveness.js");
  return liveness(task);
};

// What a command or a script answers, in the form in which Redis hands it from one to the other.

export interface ErrorReply {
  readonly err: string;
}
export interface StatusReply {
  readonly ok: string;
}
/** A string is a bulk of bytes (see bytes.ts), null the absent one. */
export type Reply = string | number | null | ErrorReply | StatusReply | readonly Reply[];

export function isError(reply: Reply): reply is ErrorReply {
  return typeof reply === "object" && reply !== null && "err" in reply;
}

/** As ioredis throws it: the client code tells a server's refusal from a lost connection by the name. */
export class ReplyError extends Error {
  override readonly name = "ReplyError";
}

/*
 * The wait queue of pulselock: three lockers, one exclusive key, one store. README.md beside this file says which rule
 * of the code each switch stands for, and what is left out. One step is one atomic script of the store, or one turn of
 * a main thread's event loop.
 *
 * Locker      A main thread with at most one attempt at a time, and what it gives back. Answers and pushes come through
 *             one channel, in the order in which they were executed. When the connection dies, its answers and pushes
 *             are lost, and what was in flight becomes a zombie: executed later, in order, at any time or never.
 * Session     Trust may lapse; who is not trusted may be condemned, and goes on under its next session. That nobody
 *             trusted is condemned is proven by protocol.pml, and assumed here.
 * Entry       `fit` says that it asked a moment ago and that somebody listens. It ends at any moment: a thread that
 *             blocks, a store that stands still, a process that is gone. The next poll sets it again.
 *
 * Checks      S1 who believes has the store's lease, and nobody else believes. S5 no lease and no entry in the store
 *             that its living owner does not know. Q1 nobody passes one who is fit. Q2 nobody unfit is granted the key.
 *
 * Worlds      ATT0 ATT1 ATT2 (attempts), ABORTS, BREAKS, KILLS, LAPSES, STALLS: sets of lockers (1, 2, 4) that may give
 *             up, whose connection may die once, that may be killed, whose session may be condemned once, that may
 *             become unfit while they live; TRIES: that ask without waiting. EXPIRY (the lock TTL may end once), HEIRS
 *             (two of each process wait).
 * Calm        CALM: at any moment faults cease, and nobody gives up any more. Every run must end from there (no
 *             acceptance cycle), and then everybody who lives has had the key. Nobody polls in the calm for an answer
 *             that would change nothing, so that a loop of polls cannot pass for progress.
 * Mutants     Each takes one protection away: the switches that begin with M_. W_: a witness of what must come about.
 */
#ifndef ATT0
#define ATT0 1
#endif
#ifndef ATT1
#define ATT1 1
#endif
#ifndef ATT2
#define ATT2 1
#endif
#ifndef ABORTS
#define ABORTS 0
#endif
#ifndef BREAKS
#define BREAKS 0
#endif
#ifndef KILLS
#define KILLS 0
#endif
#ifndef LAPSES
#define LAPSES 0
#endif
#ifndef STALLS
#define STALLS 0
#endif
#ifndef TRIES
#define TRIES 0
#endif
#define IN(set, c) ((set >> c) & 1)
#define ATT(c) (c == 0 -> ATT0 : (c == 1 -> ATT1 : ATT2))

/* Sessions: 1, 2 are locker 0's, 3, 4 locker 1's, 5, 6 locker 2's. Lease numbers in the same way. */
#define SID(c) (1 + 2 * (c) + ids[c])
#define LID(c) (2 * (c) + att[c])
#define OWNER(x) (((x) - 1) / 2)

/* Main thread */
#define IDLE 0
#define ASK 1                        /* is about to ask, for the first time or again */
#define BUSY 2                       /* has asked */
#define TOLD 3                       /* was told that it is queued, and has not come to rest: a few promises */
#define REST 4                       /* stands in the queue */
#define HOLD 5
#define DONE 6                       /* has used up its attempts */
#define FIN 7                        /* killed, or has used up its sessions */
/* Requests */
#define ACQ 1
#define REL 2
/* Answers, and the push */
#define GRANTED 1
#define QUEUED 2
#define AGAIN 3
#define RELEASED 4
#define PUSH 5

/* ---- the store ---- */
byte lo, ln, lt;                     /* the key's lease: session (0: none), number, token */
byte Q[6], qn;                       /* the queue: lease numbers */
byte es[7];                          /* an entry's session; 0: no entry */
bit fit[7];
bit dead[7];                         /* condemned sessions */
byte sgen[7];
byte maxtok;

/* ---- lockers ---- */
byte m[3], att[3], gen[3] = 1, ids[3];
bit trust[3] = 1, cur[3];            /* `cur`: the session of the last asking is still the newest */
bit first[3];                        /* nobody fit was before it, said the last answer */
byte ht[3], hs[3];                   /* the holder, said the last answer: token, session */
bit take[3];                         /* that one is dead: ask in its place */
byte pt[3], ps[3];                   /* a push that came beside an answer: token, session */
byte bs[3];                          /* the session under which the lease in hand is known */
bit asked[3];                        /* the attempt was sent at least once */
byte gb[7];                          /* give-back of a lease: 0, 1 wanted, 2 sent, 4 waits for what is in flight */
byte ut[3], us[3];                   /* an unfit waiter before it, said the last answer: lease number, session */
bit drop[3];                         /* that one is dead: its entry is to go */
#ifdef HEIRS
bit heir[3];                         /* another one of the process has the lease next */
#endif
#ifdef EXPIRY
bit expired, lb[3];                  /* the lease in hand must still be in the store */
bit young[3], asking[3];             /* the last answered command was sent a moment ago; so was the one under way */
#define LASTS(c) lb[c]
#ifdef M_OLDPUSH
#define YOUNG(c) true
#else
#define YOUNG(c) young[c]
#endif
#else
#define LASTS(c) true
#define YOUNG(c) true
#endif
#ifdef M_LEAVEONLY
bit left[7];                         /* of an attempt that was given up: only its entry goes */
#define LEAVES(n) left[n] = 1
#define LEFT(n) left[n]
#else
#define LEAVES(n) skip
#define LEFT(n) false
#endif
bit broken[3];                       /* its connection has died once */

/* kind, lease, session, generation; holder to replace: token, session; entry to drop: lease, session */
chan q[3] = [3] of { byte, byte, byte, byte, byte, byte, byte, byte };
chan zq[3] = [6] of { byte, byte, byte, byte, byte, byte, byte, byte };
/* kind, lease, token, session, first, unfit waiter: lease, session */
chan a[3] = [5] of { byte, byte, byte, byte, bit, byte, byte };
#ifdef CALM
bit calm;
#define FAULTS !calm
#else
#define calm false
#define FAULTS true
#endif
hidden byte k, l, s, gn, rt, rs, dl, ds, i, j, f, u, w, x;
hidden byte z, ok, b;

#ifdef W_PUSH                        /* no mutants, but witnesses: these must come about */
#define WITNESSPUSH assert(false)
#else
#define WITNESSPUSH skip
#endif
#ifdef W_BESIDE
#define WITNESSBESIDE assert(false)
#else
#define WITNESSBESIDE skip
#endif
#ifdef W_FOUND
#define WITNESSFOUND assert(ht[c] == 0 || first[c])
#else
#define WITNESSFOUND skip
#endif
#ifdef W_TAKEN
#define WITNESSTAKEN assert(f == l)
#else
#define WITNESSTAKEN skip
#endif
#define LIVES(c) (m[c] != FIN)
#define BELIEVES(c) (m[c] == HOLD && trust[c] && bs[c] == SID(c) && LASTS(c))
#define KNOWS(c, n) (gb[n] != 0 || (m[c] >= ASK && m[c] <= HOLD && LID(c) == n))
#define QUIET(c) (len(q[c]) == 0 && len(zq[c]) == 0 && len(a[c]) == 0)

inline tidy() {
  k = 0; l = 0; s = 0; gn = 0; rt = 0; rs = 0; dl = 0; ds = 0; i = 0; j = 0; f = 0; u = 0; w = 0; x = 0; z = 0; ok = 0;
  b = 0
}

/* ---- queue.lua ---- */
#ifdef M_UNFIT
#define FIT(n) true
#else
#define FIT(n) fit[n]
#endif
inline firstFit(asker) {             /* f: the first that is fit or asks itself; u: the first unfit one before it */
  i = 0; f = 0; u = 0;
  do
  :: i < qn && f == 0 ->
     if
     :: Q[i] == asker || FIT(Q[i]) -> f = Q[i]
     :: else -> if :: u == 0 -> u = Q[i] :: else fi
     fi; i++
  :: else -> break
  od; i = 0
}
inline dropEntry(n) {
  if
  :: es[n] != 0 ->
     i = 0; b = 0;
     do
     :: i < qn ->
        if :: Q[i] == n -> b = 1 :: else fi;
        if :: b -> Q[i] = (i + 1 < qn -> Q[i + 1] : 0) :: else fi; i++
     :: else -> break
     od;
     qn--; es[n] = 0; fit[n] = 0; i = 0; b = 0
  :: else
  fi
}
inline grant(n, session) {           /* to an entry, or to one who asks; its entry goes */
  assert(lo == 0);
  i = 0;
  do
  :: i < qn && Q[i] != n -> assert(!fit[Q[i]]); i++                    /* Q1 */
  :: else -> break
  od;
  maxtok++; lo = session; ln = n; lt = maxtok;
  dropEntry(n)
}
inline grantFirst() {                /* to the entry f; a push is lost at the latest when it is to be heard */
  assert(fit[f]);                    /* Q2 */
  w = es[f];
  grant(f, w);
  w = OWNER(f);
  if
  :: LIVES(w) -> a[w] ! PUSH, f, lt, lo, 0, 0, 0
  :: else
  fi; w = 0
}

/* ---- the scripts ---- */
inline answer(A, tk, session, isFirst, ul, uses) {
  if
  :: !z && LIVES(j) -> a[j] ! A, l, tk, session, isFirst, ul, uses
  :: else
  fi
}
#ifdef M_NOGEN
#define GENOK true
#else
#define GENOK (gn >= sgen[s])
#endif
#ifdef M_REPLACEANY
#define REPLACES (rt != 0)
#else
#define REPLACES (rt != 0 && rt == lt && rs == lo)
#endif
#ifdef M_DROPANY
#define DROPS (dl != 0 && es[dl] != 0)
#else
#define DROPS (dl != 0 && es[dl] != 0 && es[dl] == ds)
#endif
inline acquire() {                   /* acquire.lua */
  ok = !dead[s] && GENOK;
  if :: ok -> sgen[s] = gn :: else fi;
  if
  :: !ok -> answer(AGAIN, 0, 0, 0, 0, 0)
  :: ok && lo != 0 && ln == l -> lo = s; answer(GRANTED, lt, 0, 0, 0, 0)
  :: else ->
     ok = lo != 0 && REPLACES;
     if :: ok -> lo = 0; ln = 0; lt = 0 :: else fi;
     if :: DROPS -> assert(dead[es[dl]]); dropEntry(dl) :: else fi;    /* Q1: who is there keeps its place */
     firstFit(l);
     if
#ifdef M_JUMP
     :: lo == 0 -> grant(l, s); answer(GRANTED, lt, 0, 0, 0, 0)
#else
#ifndef M_REFRESHONLY
     :: lo == 0 && (f == 0 || f == l) -> grant(l, s); answer(GRANTED, lt, 0, 0, 0, 0)
#else
     :: lo == 0 && qn == 0 -> grant(l, s); answer(GRANTED, lt, 0, 0, 0, 0)
#endif
#endif
     :: else ->
#ifndef M_REFRESHONLY
        if
        :: lo == 0 -> if :: ok -> WITNESSTAKEN :: else fi; grantFirst(); firstFit(l)
        :: else
        fi;
#endif
        if
        :: IN(TRIES, OWNER(l)) -> skip
        :: else -> if :: es[l] == 0 -> Q[qn] = l; qn++ :: else fi; es[l] = s; fit[l] = 1
        fi;
        w = (u != 0 -> es[u] : 0);
        answer(QUEUED, lt, lo, (f == 0 || f == l), u, w)
     fi
  fi
}
inline release() {                   /* release.lua */
  ok = GENOK;
  if
  :: ok ->
     sgen[s] = gn;
#ifndef M_LEAVEKEEPS
     dropEntry(l);
#endif
     if :: lo != 0 && ln == l && !LEFT(l) -> lo = 0; ln = 0; lt = 0 :: else fi;
#ifndef M_NOHANDON
     if
     :: lo == 0 -> firstFit(0); if :: f != 0 -> grantFirst() :: else fi
     :: else
     fi;
#endif
     answer(RELEASED, 0, 0, 0, 0, 0)
  :: else                            /* only from a dead connection */
  fi
}
inline execute(c, zombie) {
  if
  :: zombie -> zq[c] ? k, l, s, gn, rt, rs, dl, ds
  :: else -> q[c] ? k, l, s, gn, rt, rs, dl, ds
  fi;
  j = c; z = zombie;
  if
  :: k == REL -> release()
  :: else -> acquire()
  fi;
  tidy()
}

/* ---- the main thread ---- */
inline forget(c) {
  first[c] = 0; ht[c] = 0; hs[c] = 0; take[c] = 0; pt[c] = 0; ps[c] = 0; ut[c] = 0; us[c] = 0; drop[c] = 0; cur[c] = 0;
  asked[c] = 0;
#ifdef EXPIRY
  young[c] = 0; asking[c] = 0;
#endif
}
inline next(c) { m[c] = (att[c] < ATT(c) -> IDLE : DONE); forget(c); bs[c] = 0 }
inline ask(c) {                      /* Acquisition.#send, Attempt.request */
  q[c] ! ACQ, LID(c), SID(c), gen[c], (take[c] -> ht[c] : 0), (take[c] -> hs[c] : 0), (drop[c] -> ut[c] : 0),
    (drop[c] -> us[c] : 0);
  m[c] = BUSY; cur[c] = 1; asked[c] = 1;
#ifdef EXPIRY
  asking[c] = 1
#endif
}
inline hold(c) {
#ifdef EXPIRY
  lb[c] = YOUNG(c);
#endif
#ifdef HEIRS
  heir[c] = 1;
#endif
  m[c] = HOLD; forget(c); bs[c] = SID(c)
}
inline letGo(c) {                    /* Holdings.#end, #lose */
#ifdef EXPIRY
  lb[c] = 0;
#endif
  gb[LID(c)] = 1; next(c);
#ifdef HEIRS
  heir[c] = 0
#endif
}
inline sendBack(c, n) {              /* GiveBack.#repeat */
  gb[n] = 2; q[c] ! REL, n, SID(c), gen[c], 0, 0, 0, 0
}
inline giveUp(c) {                   /* Acquisition.leave, #withdraw */
  if
  :: asked[c] -> gb[LID(c)] = (m[c] == BUSY -> 4 : 1); LEAVES(LID(c))
  :: else
  fi;
  next(c)
}
/* isGoodAsAnswer() */
#ifdef M_PUSHSTAMP
#define STAMPED(c) true
#else
#define STAMPED(c) (cur[c] && trust[c] && s == SID(c))
#endif
#ifdef M_BESIDE
#define NEWER(c) true
#else
#define NEWER(c) (rt > ht[c])
#endif
inline hear(c) {
  a[c] ? k, l, rt, s, b, dl, ds;
  if
  :: k == RELEASED -> if :: gb[l] == 2 -> gb[l] = 0 :: else fi
  :: k == PUSH ->
     if
#ifdef M_GHOST
     :: m[c] == REST ->
#else
     :: m[c] == REST && LID(c) == l ->
#endif
        if :: STAMPED(c) && YOUNG(c) -> WITNESSPUSH; hold(c) :: else -> m[c] = ASK fi
     :: m[c] >= ASK && m[c] <= TOLD && LID(c) == l -> pt[c] = rt; ps[c] = s
     :: else
     fi
  :: k != RELEASED && k != PUSH && (m[c] != BUSY || LID(c) != l) ->    /* of an attempt that was given up */
     if :: gb[l] == 4 -> gb[l] = 1 :: else fi
  :: else ->
#ifdef EXPIRY
     young[c] = asking[c]; asking[c] = 0;
#endif
     if
     :: k == GRANTED && cur[c] && trust[c] -> WITNESSFOUND; hold(c)
     :: k == QUEUED ->
        take[c] = 0; drop[c] = 0; first[c] = b; ht[c] = rt; hs[c] = s; ut[c] = dl; us[c] = ds; m[c] = TOLD
     :: else -> m[c] = ASK
     fi
  fi;
  tidy()
}
inline rest(c) {                     /* Rest.take: a push that was missed ends the pause at once */
  m[c] = REST;
  if
  :: pt[c] != 0 ->
     rt = pt[c]; s = ps[c]; pt[c] = 0; ps[c] = 0;
     if :: STAMPED(c) && YOUNG(c) && NEWER(c) -> WITNESSBESIDE; hold(c) :: else -> m[c] = ASK fi
  :: else
  fi;
  tidy()
}
inline breaks(c) {                   /* answers are lost; what was in flight is executed later or never */
  broken[c] = 1; gen[c]++;
  do
  :: nempty(q[c]) -> q[c] ? k, l, s, gn, rt, rs, dl, ds; zq[c] ! k, l, s, gn, rt, rs, dl, ds
  :: empty(q[c]) -> break
  od;
  do
  :: nempty(a[c]) -> a[c] ? k, l, rt, s, b, dl, ds
  :: empty(a[c]) -> break
  od;
  if :: m[c] == BUSY -> m[c] = ASK :: else fi;
#ifdef EXPIRY
  asking[c] = 0;
#endif
  i = 1;
  do
  :: i < 7 ->
     if
     :: OWNER(i) == c && gb[i] == 4 -> gb[i] = 1
#ifdef M_LEAVEONCE
     :: OWNER(i) == c && gb[i] == 2 -> gb[i] = 0
#else
     :: OWNER(i) == c && gb[i] == 2 -> gb[i] = 1
#endif
     :: else
     fi; i++
  :: else -> break
  od;
  tidy()
}
inline stop(c) {
  breaks(c);
  m[c] = FIN; trust[c] = 0; forget(c); bs[c] = 0; gb[2 * c + 1] = 0; gb[2 * c + 2] = 0;
#ifdef HEIRS
  heir[c] = 0;
#endif
#ifdef EXPIRY
  lb[c] = 0
#endif
}

/* A poll would bring something new. Only in the calm it must, lest polls pass for progress. */
#define USEFUL(c) (lo == 0 || ln == LID(c) || es[LID(c)] != SID(c) || !fit[LID(c)] || \
  HEADS(c) && (!first[c] || ht[c] != lt))
/* Nobody fit is before it. */
#define HEADS(c) (Q[0] == LID(c) || !fit[Q[0]] && (Q[1] == LID(c) || !fit[Q[1]] && (Q[2] == LID(c) || \
  !fit[Q[2]] && Q[3] == LID(c))))
#ifdef M_NOPOLL
#define POLLS(c) false
#else
#define POLLS(c) (FAULTS || USEFUL(c))
#endif
#ifdef M_NOWATCH
#define WATCHES(c) false
#else
#define WATCHES(c) (m[c] == REST && first[c] && ht[c] != 0)
#endif
/* Who may be condemned: who is not trusted. In the calm only who is dead. */
#define CONDEMNABLE(x) (dead[x] || !trust[OWNER(x)] && SID(OWNER(x)) == x && (FAULTS || m[OWNER(x)] == FIN))
#ifdef M_HEIRANY
#define PASSES(c) true
#else
#define PASSES(c) BELIEVES(c)
#endif

proctype Locker(byte c) {
end:
  do
  /* ---- its main thread ---- */
  :: d_step { m[c] == IDLE -> att[c]++; m[c] = ASK }
  :: d_step { m[c] == ASK && trust[c] && nfull(q[c]) -> ask(c) }
  :: d_step { nempty(a[c]) -> hear(c) }
  :: d_step { m[c] == TOLD && !IN(TRIES, c) -> rest(c) }
  :: d_step { m[c] == TOLD && IN(TRIES, c) -> next(c) }                /* busy is an answer */
  :: d_step { m[c] == TOLD && IN(TRIES, c) && CONDEMNABLE(hs[c]) -> dead[hs[c]] = 1; take[c] = 1; m[c] = ASK }
  :: d_step { FAULTS && nempty(a[c]) && a[c] ? [PUSH, _, _, _, _, _, _] -> a[c] ? k, l, rt, s, b, dl, ds; tidy() }
  :: d_step { m[c] == REST && POLLS(c) -> m[c] = ASK }
  :: d_step { WATCHES(c) && CONDEMNABLE(hs[c]) -> dead[hs[c]] = 1; take[c] = 1; m[c] = ASK }
  :: d_step { FAULTS && WATCHES(c) && ut[c] != 0 && !drop[c] && CONDEMNABLE(us[c]) -> dead[us[c]] = 1; drop[c] = 1 }
  :: d_step { FAULTS && IN(ABORTS, c) && m[c] >= ASK && m[c] <= REST -> giveUp(c) }
  :: d_step { m[c] == HOLD -> letGo(c) }
#ifdef HEIRS
  :: d_step { m[c] == HOLD && heir[c] && PASSES(c) -> heir[c] = 0; bs[c] = SID(c) }      /* Tenure.next */
#endif
  :: d_step { gb[2 * c + 1] == 1 && nfull(q[c]) -> sendBack(c, 2 * c + 1) }
  :: d_step { gb[2 * c + 2] == 1 && nfull(q[c]) -> sendBack(c, 2 * c + 2) }
  /* ---- its connection ---- */
  :: d_step { nempty(q[c]) -> execute(c, 0) }
  :: d_step { nempty(zq[c]) -> execute(c, 1) }
  :: d_step { nempty(zq[c]) -> zq[c] ? k, l, s, gn, rt, rs, dl, ds; tidy() }
  :: d_step { FAULTS && IN(BREAKS, c) && !broken[c] && LIVES(c) && (nempty(q[c]) || nempty(a[c])) -> breaks(c) }
  /* ---- its session ---- */
  :: d_step { FAULTS && IN(LAPSES, c) && trust[c] && m[c] >= ASK && m[c] <= HOLD -> trust[c] = 0 }
  :: d_step { LIVES(c) && !trust[c] && !dead[SID(c)] -> trust[c] = 1 }
  :: d_step { LIVES(c) && !trust[c] && dead[SID(c)] && ids[c] == 0 -> ids[c] = 1; trust[c] = 1; cur[c] = 0 }
  :: d_step { LIVES(c) && !trust[c] && dead[SID(c)] && ids[c] == 1 -> stop(c) }
  :: d_step { FAULTS && IN(KILLS, c) && m[c] != FIN && m[c] != DONE -> stop(c) }
  /* ---- time ---- */
  :: d_step { fit[2 * c + 1] && (!LIVES(c) || FAULTS && IN(STALLS, c)) -> fit[2 * c + 1] = 0 }
  :: d_step { fit[2 * c + 2] && (!LIVES(c) || FAULTS && IN(STALLS, c)) -> fit[2 * c + 2] = 0 }
#ifdef EXPIRY
  :: d_step { FAULTS && lb[c] -> lb[c] = 0 }
  :: d_step { FAULTS && !expired && lo != 0 && OWNER(ln) == c && !(m[c] == HOLD && LID(c) == ln && lb[c]) ->
       expired = 1; lo = 0; ln = 0; lt = 0; young[c] = 0;
       if                            /* answered already: it was sent before the lease was granted */
       :: a[c] ?? [QUEUED, _, _, _, _, _, _] || a[c] ?? [GRANTED, _, _, _, _, _, _] -> asking[c] = 0
       :: else
       fi }
#endif
  /* ---- in every state ---- */
  :: BELIEVES(c) && !(lo != 0 && ln == LID(c)) -> assert(false)                          /* S1 */
  :: lo != 0 && OWNER(ln) == c && lo == SID(c) && !dead[lo] && LIVES(c) && QUIET(c) && !KNOWS(c, ln) ->
     assert(false)                                                                       /* S5 */
  :: LIVES(c) && QUIET(c) && (es[2 * c + 1] != 0 && !KNOWS(c, 2 * c + 1) || es[2 * c + 2] != 0 &&
     !KNOWS(c, 2 * c + 2)) -> assert(false)                                              /* S5, of entries */
  od
}

/* Whoever lives has had the key, and it is free, or held by one who may be condemned; nobody who lives is queued. */
#define ENDED(c) (m[c] >= DONE && (m[c] == FIN || es[2 * c + 1] == 0 && es[2 * c + 2] == 0))
#define ENDSWELL (ENDED(0) && ENDED(1) && ENDED(2) && (lo == 0 || dead[lo] || m[OWNER(ln)] == FIN))

proctype World() {
end:
  do
#ifdef CALM
  :: d_step { !calm -> calm = 1 } -> goto acceptCalm
#endif
  :: false -> skip
  od;
acceptCalm:                          /* a run that never ends from here on is an error, too */
  do
  :: timeout -> assert(!calm || ENDSWELL); break
  od
}

init { atomic { run Locker(0); run Locker(1); run Locker(2); run World() } }

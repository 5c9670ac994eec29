/*
 * The session protocol of pulselock: two clients, one key, one store. README.md beside this file says which rule of
 * the code each switch stands for, and what is left out. One step is one atomic script of the store, or one turn of an
 * event loop.
 *
 * Client      A main thread (leases) and a worker (pings). The main thread's connection is a queue; when it dies, what
 *             was in flight becomes a zombie: executed later, in order, at any time or never, its answers lost.
 * Time        trust[c]: the process may believe without asking, by a ping executed in that era; may end at any moment.
 *             An answer on its way is `fresh` while it could still bring trust. Nobody is found silent while it is
 *             trusted or a fresh answer is under way: a deadline counts from SENT, silence from EXECUTED. That, and
 *             a window longer than any trust from before the loss, is all that is assumed about time.
 * Epoch       A change of the session raises it. Here: `judged` (the lease's epoch is the newest), `told` (so is the
 *             main thread's stamp) and `cur` (so is the stamp of the request under way) are taken away.
 *
 * Checks      S1 no yes after a later grant; no two yes at once. S2 tokens grow. S4 nobody trusted is condemned, nobody
 *             condemned is trusted again. S5 nothing held that its owner does not know.
 *
 * Worlds      DEATHS0 DEATHS1 (connections that die), ATT0 ATT1 (attempts), IDS0 IDS1 (sessions), LOSS (all is gone),
 *             LOSS SNAP (an old snapshot is back), TWOPINGS, FLUSH (scripts forgotten), EXPIRY (lock TTL), PARK (a main
 *             thread that stood still says goodbye), RESTART (the worker dies and resumes), LATEBEGIN (a begin is also
 *             on its way on a dead connection), COLLECT (tombstones age out), KILL (a process ends), LIVED (who
 *             condemned somebody is gone with its tombstone; others were served since, and say so).
 * Calm        CALM: at any moment faults cease, and nobody changes his mind any more. Every run must end from there (no
 *             acceptance cycle), and when nothing can happen any more, everybody has had his key, and it is takable.
 * Mutants     Each takes one protection away: the switches that begin with M_. W_: a witness of what must come about.
 */
#ifndef DEATHS0
#define DEATHS0 0
#endif
#ifndef DEATHS1
#define DEATHS1 0
#endif
#ifndef ATT0
#define ATT0 2
#endif
#ifndef ATT1
#define ATT1 2
#endif
#ifndef IDS0
#define IDS0 2
#endif
#ifndef IDS1
#define IDS1 2
#endif
#define DEATHS(c) (c == 0 -> DEATHS0 : DEATHS1)
#define ATT(c) (c == 0 -> ATT0 : ATT1)
#define IDS(c) (c == 0 -> IDS0 : IDS1)

/* Sessions 1..3 are client 0's, 4..6 client 1's, each used once. Leases 1, 2 are client 0's, 3, 4 client 1's. */
#define SID(c) (1 + 3 * (c) + ids[c])
#define OWNER(x) (((x) - 1) / 3)
#define LID(c) (2 * c + att[c])
#define LOWNER(l) ((l - 1) / 2)

/* Main thread */
#define IDLE 0
#define ASK 1
#define BUSY 2
#define HOLD 3
#define FIN 4                        /* has used up its session ids */
#define DONE 5                       /* has used up its attempts */
/* Requests */
#define ACQ 1
#define REN 2
#define ROWN 3
#define RAS 4
#define REL 5
/* Answers */
#define GRANTED 1
#define HELD 2
#define WAIT 3
#define AGAIN 4
#define YES 5
#define LOST 6
/* Stages of a session; what a ping asks; its answers */
#define NEW 0
#define REENTER 1
#define BEGUN 2
#define PING 0
#define BNEW 1
#define BTRUSTED 2
#define BPROV 3
#define ALIVE 0
#define RECOVERING 1
#define REENTERS 2
#define CONDEMNED 3
/* A ping: none; request under way; answer under way; request of a dead connection */
#define FREE 0
#define SENT 1
#define ANSWERED 2
#define ZOMBIE 3

/* ---- the store ---- */
byte lo, ln, lt, le;                 /* the key's lease: session (0: none), lease id, token, era */
byte sera[7], sgen[7];               /* session records: era (0: none), generation of the main connection */
bit dead[7], prov[7];
byte era = 1, fence;
bit recov, changed;                  /* the window is open; another server, or memory, that no script has noticed yet */
/* ---- the truth, for the checks ---- */
bit gone[7], lost;                   /* sessions ever condemned; the memory was lost */
byte maxtok;
#ifdef SNAP
byte zo, zn, zt;                     /* the lease in the snapshot that will come back */
#endif

/* ---- main threads ---- */
byte m[2], att[2], gen[2] = 1;
byte tok[2], hs[2], he[2];           /* the lease in hand: token, and the session and era under which it is known */
bit judged[2], refused[2], told[2], take[2];
byte ms[2], me[2];                   /* session and era as the main thread was told */
byte rq[2], rp[2], rt[2], rs[2], rl[2];  /* the request under way, its answer */
bit cur[2];
byte bt[2], bs[2], bl[2], be[2];     /* the holder that was met: token, session, lease, era */
byte gb[5];                          /* give-back of a lease: 0, 1 wanted, 2 sent, 4 waits for `rq` */
bit rem[7], wrote[2];                /* condemned sessions that the other client remembers; written again since */
#ifdef LIVED
bit later[2];                        /* the other client was served after all trust of this one: it is outlived */
#endif
#ifdef EXPIRY
bit expired, lb[2], lf[2];           /* the lease is believed to be in the store; the answer under way may say so */
#define BELIEVED(c) lb[c]
#else
#define BELIEVED(c) true
#endif
/* ---- workers ---- */
byte ids[2], stage[2], we[2], trust[2];
bit wprov[2], wrec[2], wrefused[2], pend[2], mrec[2];
byte ph[4], pk[4], ps[4], pa[4], pe[4];  /* pings: where, what, for which session (its id), answer, era of the answer */
bit prc[4], fresh[4], newer[2], foreign[2], stray[2];

#if ATT0 > 1 || ATT1 > 1
#define INFLIGHTMAX 3                /* one request, and a release of every lease */
#else
#define INFLIGHTMAX 2
#endif
/* kind, session, era, lease, generation, token, replaced session */
chan q[4] = [INFLIGHTMAX] of { byte, byte, byte, byte, byte, byte, byte };
#ifdef FLUSH
chan again[2] = [1] of { byte, byte, byte, byte, byte, byte, byte };
bit flushed;
#endif
#ifdef CALM
bit calm;                            /* no fault any more, and nobody changes his mind */
#define FAULTS !calm
#else
#define calm false
#define FAULTS true
#endif
hidden byte k, s, e, l, gn, t, r, i, j, z, ok, T;

#define VALID (lo != 0 && LEASEERA)
#ifdef M_OLDLEASES
#define LEASEERA true
#else
#define LEASEERA (le == era)
#endif

/* openNamespace(): every script that grants or condemns compares the server's run id with the record's. */
inline notice() {
  if
  :: changed -> changed = 0; era = 2;
#ifndef M_NOWINDOW
     recov = 1;
#endif
  :: else
  fi
}
#ifdef M_CLIENTRUN
#define NOTICE skip
#else
#define NOTICE notice()
#endif

/* refusal(): may this session's command be executed? */
#ifdef M_NOERA
#define ERAOK true
#else
#define ERAOK (e == era)
#endif
#ifdef M_NOGEN
#define GENOK true
#else
#define GENOK (gn >= sgen[s])
#endif
inline refusal() {
  ok = !dead[s] && sera[s] != 0 && sera[s] == era && ERAOK && GENOK;
  if
  :: ok -> sgen[s] = gn
  :: else
  fi
}

inline answer(A, a, b, d) {
  if
  :: !z && rq[j] == k && (A == WAIT || A == AGAIN) ->      /* it says only: ask again */
     if :: gb[LID(j)] == 4 -> gb[LID(j)] = 1 :: else fi;
     noAnswer(j)
  :: !z && rq[j] == k && A != WAIT && A != AGAIN -> rp[j] = A; rt[j] = a; rs[j] = b; rl[j] = d
  :: else
  fi
}
#ifdef EXPIRY
#define FRESHLEASE if :: !z && rq[j] == k -> lf[j] = 1 :: else fi
#else
#define FRESHLEASE skip
#endif
inline clearLease() { lo = 0; ln = 0; lt = 0; le = 0 }
inline clearMessage() { k = 0; s = 0; e = 0; l = 0; gn = 0; t = 0; r = 0; i = 0; j = 0; z = 0; ok = 0; T = 0 }

#ifdef M_TOKENONLY
#define REPLACES (t != 0 && t == lt)
#else
#define REPLACES (t != 0 && t == lt && r == lo)
#endif
#ifdef M_COUNTER
#define NEXTTOKEN (fence + 1)
#define FENCE(x) if :: x > fence -> fence = x :: else fi
#else
#define NEXTTOKEN (maxtok + 1)       /* max(fence + 1, the store's clock), which has moved past every token given out */
#define FENCE(x) skip
#endif
inline acquire() {                   /* acquire.lua */
  if
  :: !ok -> answer(AGAIN, 0, 0, 0)
  :: ok && VALID && ln == l -> lo = s; FRESHLEASE; answer(GRANTED, lt, 0, 0)
  :: ok && VALID && ln != l && !REPLACES -> answer(HELD, lt, lo, ln + 8 * le)
  :: ok && !(VALID && (ln == l || !REPLACES)) && recov -> answer(WAIT, 0, 0, 0)
  :: else ->
     T = NEXTTOKEN;
     assert(T > maxtok);             /* S2 */
     FENCE(T); maxtok = T; lo = s; ln = l; lt = T; le = era; FRESHLEASE; answer(GRANTED, T, 0, 0)
  fi
}

#ifdef W_HANDOFF                     /* no mutant, but a witness: this must come about */
bit released, waited[2];
#define NOTERELEASE released = calm
#define NOTEWAIT(c) waited[c] = 1
#define NOTEGRANT(c) assert(!(released && waited[c]))
#else
#define NOTERELEASE skip
#define NOTEWAIT(c) skip
#define NOTEGRANT(c) skip
#endif

#ifdef M_RELEASEANY
#define MINE (lo != 0)
#else
#define MINE (lo != 0 && ln == l)
#endif
#ifdef M_NOGEN
#define RELGEN true
#else
#define RELGEN (gn >= sgen[s])
#endif
inline release() {                   /* release.lua */
  ok = 1;
  if
  :: sera[s] != 0 || dead[s] -> if :: RELGEN -> sgen[s] = gn :: else -> ok = 0 fi
  :: else
  fi;
  if
  :: ok && MINE -> clearLease(); NOTERELEASE
  :: else
  fi;
  if
  :: z || gb[l] != 2 -> skip
  :: else -> gb[l] = (ok -> 0 : 1)
  fi
}

#ifdef M_REOWNANY
#define REOWNED true
#else
#define REOWNED (VALID && ln == l && lt == t)
#endif
#ifdef M_REASSERTLATE
#define WINDOW true
#else
#define WINDOW recov
#endif
#define LATEST (lo == 0 || lt < t || (lt == t && !VALID))
inline judge() {                     /* renew.lua, reown.lua, reassert.lua */
  if
  :: !ok -> answer(AGAIN, 0, 0, 0)
  :: ok && VALID && ln == l && lt == t && lo == s -> FRESHLEASE; answer(YES, 0, 0, 0)
  :: ok && !(VALID && ln == l && lt == t && lo == s) && k == ROWN && REOWNED ->
     lo = s; ln = l; lt = t; le = era; FRESHLEASE; answer(YES, 0, 0, 0)
  :: ok && !(VALID && ln == l && lt == t && lo == s) && k == RAS && WINDOW && LATEST ->
     lo = s; ln = l; lt = t; le = era; FRESHLEASE; answer(YES, 0, 0, 0);
     FENCE(t)
  :: else -> answer(LOST, 0, 0, 0)
  fi
}

/* One script of client `c`, from its live connection (zombie = 0) or from a dead one. */
inline execute(c, zombie) {
  q[c + 2 * zombie] ? k, s, e, l, gn, t, r;
  j = c; z = zombie;
  if
  :: k == REL -> release()
  :: else ->
     NOTICE;
     refusal();
     if
     :: k == ACQ -> acquire()
     :: else -> judge()
     fi
  fi;
  clearMessage()
}

/* ---- the worker's scripts: ping.lua and begin.lua; i is the ping's slot ---- */
inline pinged() {
  s = ps[i]; notice(); prc[i] = 0; fresh[i] = 0;
  if
  :: dead[s] -> pa[i] = CONDEMNED
#ifdef M_PINGCREATES
  :: !dead[s] && sera[s] != era && pk[i] == PING -> sera[s] = era; pa[i] = ALIVE
#endif
  :: !dead[s] && sera[s] == era -> pa[i] = (recov && prov[s] -> RECOVERING : ALIVE)
  :: else ->
     if
     :: pk[i] == BNEW || (pk[i] != PING && recov) ->
        sera[s] = era; sgen[s] = 0; prov[s] = (pk[i] == BPROV);
        pa[i] = (pk[i] == BPROV -> RECOVERING : ALIVE)
     :: else ->
        pa[i] = (recov -> REENTERS : CONDEMNED);
        if
        :: !recov && sera[s] != 0 && pk[i] == PING -> dead[s] = 1; gone[s] = 1
        :: else
        fi
     fi
  fi;
  pe[i] = era; prc[i] = recov;
#ifdef LIVED
  if :: pa[i] == ALIVE && !lost && s == SID(OWNER(s)) -> served(OWNER(s)) :: else fi;
#endif
#ifdef M_PROVTRUSTED
  if :: pa[i] == RECOVERING -> pa[i] = ALIVE :: else fi;
#endif
  fresh[i] = (pa[i] == ALIVE);
  if
  :: ph[i] == ZOMBIE -> freePing()
  :: else -> ph[i] = ANSWERED
  fi
}
inline freePing() { ph[i] = FREE; pk[i] = 0; ps[i] = 0; pa[i] = 0; pe[i] = 0; prc[i] = 0; fresh[i] = 0 }

/* Something happened: what was judged, told or asked before counts no longer. */
inline raise(c) { judged[c] = 0; told[c] = 0; pend[c] = 0; cur[c] = 0 }

inline succeed(c, asRefused) {       /* the next session; a client that has used up its ids stops */
  trust[c] = 0; raise(c);
#ifdef M_NOSUCCEED
  stage[c] = BEGUN
#else
  stage[c] = NEW; wprov[c] = 0; we[c] = 0; wrec[c] = 0; stray[c] = 0; wrefused[c] = asRefused;
  if
  :: ids[c] + 1 < IDS(c) -> ids[c]++
  :: else -> stop(c, FIN)
  fi
#endif
}
/* No step of its own any more. What it remembers it still writes: a smaller model, and no new hole. */
inline stop(c, how) {
  m[c] = how; tok[c] = 0; hs[c] = 0; he[c] = 0; trust[c] = 0; raise(c);
  stage[c] = 0; wprov[c] = 0; we[c] = 0; wrec[c] = 0; wrefused[c] = 0; refused[c] = 0; mrec[c] = 0; stray[c] = 0;
  ms[c] = 0; me[c] = 0;
  forget(c); noAnswer(c); gb[2 * c + 1] = 0; gb[2 * c + 2] = 0;
#ifdef EXPIRY
  lb[c] = 0;
#endif
  k = i; i = 2 * c; outrun(); i = 2 * c + 1; outrun(); i = k; k = 0
}

#ifdef M_LAPSED
#define MAYTRUST true                /* a session whose trust lapsed enters as if it had not */
#else
#define MAYTRUST (trust[c] > 0 && !foreign[c])
#endif
#ifdef M_NOREFUSED
#define LOSTMEMORY 0
#else
#define LOSTMEMORY (stage[c] == REENTER || wprov[c] || (we[c] != 0 && pe[i] != we[c]))
#endif
#define SETTLED (wrec[c] && !prc[i] && wprov[c])
#ifdef M_STRAY
#define STRAYED false
#else
#define STRAYED (stray[c] || stage[c] == BEGUN && pe[i] != we[c] || stage[c] == REENTER && STRAYPROV)
#endif
#if defined(M_STRAYPROV) || defined(M_PROVTRUSTED)      /* two nets under one rule */
#define STRAYPROV false
#else
#define STRAYPROV wprov[c]
#endif
/* Who is asked to enter again without trust does so provisionally, or is refused (z) when it was away for long. Chosen
   before the step, as a d_step would always take the same way. */
#define REFUSABLE(c) (stage[c] == BEGUN && !MAYTRUST && (changed || recov))
inline hear(c) {                     /* Pinger.#handle */
  if                                 /* the newest answer counts: one that is older will not */
  :: newer[c] == i % 2 -> j = i; i = i ^ 1; outrun(); i = j; j = 0
  :: else
  fi;
  if
  :: ps[i] != SID(c) -> skip
  :: m[c] >= FIN -> skip
  :: else ->
     if
     :: pa[i] == CONDEMNED -> k = LOSTMEMORY; succeed(c, k)
     :: pa[i] == REENTERS && stage[c] != NEW ->
        if
        :: MAYTRUST -> raise(c); stage[c] = REENTER; wprov[c] = 0; wrec[c] = 1
#ifndef M_LAPSED
        :: !MAYTRUST && !z -> raise(c); stage[c] = REENTER; wprov[c] = 1; wrec[c] = 1
        :: !MAYTRUST && z -> succeed(c, 1)
#endif
        fi
     :: pa[i] == REENTERS && stage[c] == NEW -> skip
     :: else ->
        if
        :: stage[c] != BEGUN || pe[i] != we[c] || SETTLED ->
           raise(c); k = 1
        :: else
        fi;
        stray[c] = prc[i] && STRAYED;                  /* alive in an era that this run has not entered */
        if :: stray[c] -> wprov[c] = 1 :: else fi;
        if :: wrec[c] && !prc[i] -> wprov[c] = 0; mrec[c] = 0 :: else fi;
#ifndef M_RESUMEMODE
        if :: pa[i] == RECOVERING -> wprov[c] = 1 :: else fi;          /* also when an earlier run entered */
#endif
        stage[c] = BEGUN; we[c] = pe[i]; wrec[c] = prc[i];
        if :: k == 1 -> announce(c) :: else fi;
        if
        :: fresh[i] && !stray[c] ->
           foreign[c] = 0;
           assert(!gone[SID(c)]);    /* S4: nobody condemned is trusted again */
           if :: trust[c] < pe[i] -> trust[c] = pe[i] :: else fi
        :: else
        fi
     fi
  fi;
  freePing(); k = 0
}
inline outrun() {                    /* its answer will not be heard; its request may still be executed */
  if
  :: ph[i] == SENT -> ph[i] = ZOMBIE
  :: ph[i] == ANSWERED -> freePing()
  :: else
  fi
}

/* Session.#change and Holdings.judge: who may not come back lost all it had. Only a worker that dies makes it matter
   that the message takes a while: until then the main thread, whose stamp is old, does nothing for its leases. */
inline announce(c) {
  if :: wrefused[c] -> refused[c] = 1; wrefused[c] = 0 :: else fi;
#ifdef RESTART
  pend[c] = 1
#else
  tell(c)
#endif
}
inline tell(c) {
  pend[c] = 0; told[c] = 1; ms[c] = SID(c); me[c] = we[c];
#ifdef RESTART
  mrec[c] = wrec[c];
#endif
  if :: refused[c] && m[c] == HOLD -> letGo(c) :: else fi;
  refused[c] = 0
}

/* ---- the main thread ---- */
inline request(c, K, tk, rep) {
  q[c] ! K, ms[c], me[c], LID(c), gen[c], tk, rep;
  rq[c] = K; cur[c] = 1
}
inline forget(c) { bt[c] = 0; bs[c] = 0; bl[c] = 0; be[c] = 0; take[c] = 0 }
inline noAnswer(c) { rq[c] = 0; rp[c] = 0; rt[c] = 0; rs[c] = 0; rl[c] = 0; cur[c] = 0 }
inline letGo(c) {                    /* Holdings.#lose and release: give back, after what is under way */
  tok[c] = 0; hs[c] = 0; he[c] = 0; judged[c] = 0; m[c] = IDLE;
#ifdef EXPIRY
  lb[c] = 0;
#endif
#ifdef M_NOWAIT
  gb[LID(c)] = 1
#else
  gb[LID(c)] = (rq[c] != 0 -> 4 : 1)
#endif
}
inline hold(c) { tok[c] = rt[c]; hs[c] = ms[c]; he[c] = me[c]; judged[c] = 1; m[c] = HOLD; believe(c); NOTEGRANT(c) }
#ifdef EXPIRY
inline believe(c) { lb[c] = lf[c] }
#else
inline believe(c) { skip }
#endif

/* Holdings.#apply and Acquisition.#loop: an answer counts only if nothing has happened since it was asked for. */
#ifdef M_LATE
#define CURRENT true
#else
#define CURRENT cur[c]
#endif
inline hearAnswer(c) {
  if
  :: gb[LID(c)] == 4 -> gb[LID(c)] = 1         /* nobody waits for it any more, but the give-back that follows */
  :: gb[LID(c)] != 4 && rq[c] == ACQ && m[c] == ASK ->
     if
     :: rp[c] == GRANTED && CURRENT && trust[c] > 0 -> hold(c)
     :: rp[c] == HELD -> m[c] = BUSY; bt[c] = rt[c]; bs[c] = rs[c]; bl[c] = rl[c] % 8; be[c] = rl[c] / 8; NOTEWAIT(c)
     :: else                                     /* asked again */
     fi
  :: gb[LID(c)] != 4 && rq[c] != ACQ && m[c] == HOLD && CURRENT ->
     if
     :: rp[c] == YES ->
#ifdef M_REPLYISYES
        assert(tok[c] == maxtok);                /* S1, as if the answer alone were a yes */
#endif
        judged[c] = 1; hs[c] = ms[c]; he[c] = me[c]; believe(c)
     :: rp[c] == LOST -> k = rq[c]; rq[c] = 0; letGo(c); k = 0
     :: else
     fi
  :: else
  fi;
  noAnswer(c)
}

/* What a judgement asks: another session first (reown), then another era (reassert), else it only looks. */
#define KIND(c) (hs[c] != ms[c] -> ROWN : (he[c] != me[c] -> RAS : REN))
#define USEDUP(c) (m[c] == IDLE && att[c] == ATT(c) && rq[c] == 0 && gb[2 * c + 1] == 0 && gb[2 * c + 2] == 0)
#define REMEMBERS(c) (rem[4 - 3 * c] || rem[5 - 3 * c] || rem[6 - 3 * c])
#ifdef M_NOTOMBSTONES
#define UNWRITTEN(c) false
#else
#define UNWRITTEN(c) (REMEMBERS(c) && !wrote[c])
#endif
#define FRESH(c) (fresh[2 * (c)] && ps[2 * (c)] == SID(c) || fresh[2 * (c) + 1] && ps[2 * (c) + 1] == SID(c))

#ifdef LIVED
/* Whoever condemned the other one may be gone from here on: what all who enter say of the time before must do. */
inline served(c) {
  later[c] = 0;
  if
  :: trust[1 - c] == 0 && !FRESH(1 - c) -> later[1 - c] = 1; rem[SID(1 - c)] = 0
  :: else
  fi
}
#define KEPT(x) !(later[OWNER(x)] && x == SID(OWNER(x)))
/* isDoubted(): when the window has closed, who is there provisionally is judged by what was said in it. */
#ifdef M_NOTOUTLIVED
#define OUTLIVED(c) false
#else
#define OUTLIVED(c) (later[c] && prov[SID(c)] && sera[SID(c)] == 2)
#endif
inline judgeProvisional() {
  if :: OUTLIVED(0) -> dead[SID(0)] = 1 :: else fi;
  if :: OUTLIVED(1) -> dead[SID(1)] = 1 :: else fi;
  later[0] = 0; later[1] = 0
}
#else
#define KEPT(x) true
#endif
/* Nobody is silent while a fresh answer or trust may be there: limits are longer than trust by a margin. */
#ifdef M_NOMARGIN
#define SILENT true
#else
#define SILENT (bs[c] != SID(1 - c) || (trust[1 - c] == 0 && !FRESH(1 - c)))
#endif
#ifdef M_CONDEMNINWINDOW
#define MAYJUDGE true
#else
#define MAYJUDGE (!recov && !changed && era == me[c])
#endif
#ifdef M_TAKEERA
#define SAMEERA true
#else
#define SAMEERA (be[c] == me[c])     /* a holder found dead in one era is not replaced in the next */
#endif
#define DEADHOLDER (dead[bs[c]] || sera[bs[c]] == 0)
#define OWNLAST (OWNER(bs[c]) == c && bs[c] != ms[c])
/* In the calm nobody asks for what would be answered by "again": such loops would hide that everything stands still. */
#define SERVED(c) (!changed && era == me[c] && sera[ms[c]] == era && !dead[ms[c]] && gen[c] >= sgen[ms[c]])
#define WORTH(c) (!calm || SERVED(c))
/* Asking again is of use when the answer would be another one. */
#define OTHERANSWER (!VALID || ln == LID(c) || lt != bt[c] || lo != bs[c] || ms[c] != SID(c) || me[c] != era)

#ifdef M_NOTRUST
#define TRUSTED(c) true
#else
#define TRUSTED(c) (trust[c] > 0)
#endif
#define SAYSYES(c) (m[c] == HOLD && judged[c] && BELIEVED(c) && TRUSTED(c))
#define KNOWS(c) (m[c] == HOLD && LID(c) == ln || m[c] == ASK && LID(c) == ln || gb[ln] != 0)
#ifdef TWOPINGS                     /* client 0's pings travel; client 1's are executed when they are sent */
#define LOSABLE(c) (c == 0 || pk[2 * c] != PING)
#define NEWSLESS(c) (c == 1 && pk[2] == PING && pe[2] == we[c] && prc[2] == wrec[c] && ps[2] == SID(c))
#define TRAVELS(c) (c == 0)
#else
#define TRAVELS(c) false
/* In these worlds the answer to a plain ping is lost by not being fresh in time; other answers that say what a later
   ping would say as well need not be lost. */
#define LOSABLE(c) (pk[2 * c] != PING)
#define NEWSLESS(c) (pk[2 * c] == PING && pe[2 * c] == we[c] && prc[2 * c] == wrec[c] && ps[2 * c] == SID(c))
#endif
/* A ping that would bring nothing new is left out. */
#define UNTRUSTED(c) (trust[c] < 1 + lost && !(calm && recov && (prov[SID(c)] || stray[c])))
#define USEFUL(c) (stage[c] != BEGUN || UNTRUSTED(c) || changed || dead[SID(c)] || sera[SID(c)] != we[c] || \
  wrec[c] != recov)

#ifdef M_REASSERTEXPIRED
#define REASSERTLIMIT false
#else
#define REASSERTLIMIT true
#endif
#ifdef LOSS
#define remember(x) rem[x] = !lost && KEPT(x)
#else
#define remember(x) skip
#endif
#define INFLIGHT(x) (gb[x] == 2)
inline giveUp(c) {                   /* withdraw: what may have been granted is given back */
  m[c] = IDLE;
#ifndef M_NOCANCEL
#ifdef M_NOWAIT
  gb[LID(c)] = 1
#else
  gb[LID(c)] = (rq[c] != 0 -> 4 : 1)
#endif
#else
  skip
#endif
}
inline drain(x) {
  do
  :: len(q[x]) > 0 -> q[x] ? k, s, e, l, gn, t, r
  :: else -> break
  od;
  clearMessage()
}
#ifdef M_RELEASEONCE
#define REPEAT 0
#else
#define REPEAT 1
#endif
inline breaks(c) {                   /* what was in flight becomes a zombie; what is unanswered is asked again by us */
  gen[c]++;
  do
  :: len(q[c]) > 0 -> q[c] ? k, s, e, l, gn, t, r; q[c + 2] ! k, s, e, l, gn, t, r
  :: else -> break
  od;
#ifdef FLUSH
  if :: nempty(again[c]) -> again[c] ? k, s, e, l, gn, t, r :: else fi;
#endif
  clearMessage();
  if :: INFLIGHT(2 * c + 1) -> gb[2 * c + 1] = REPEAT :: else fi;
  if :: INFLIGHT(2 * c + 2) -> gb[2 * c + 2] = REPEAT :: else fi;
  if :: gb[LID(c)] == 4 -> gb[LID(c)] = 1 :: else fi;
  noAnswer(c)
}
#ifdef RESTART
bit restarted;
/* WorkerHost and resumedSession(): the next run goes on with what the main thread knows. */
inline restart(c) {
  i = 2 * c; outrun(); i = 2 * c + 1; outrun(); i = 0;
  ids[c] = (ms[c] - 1) % 3; stage[c] = BEGUN; we[c] = me[c]; wrec[c] = mrec[c]; wprov[c] = mrec[c]; wrefused[c] = 0;
  stray[c] = 0;
#ifndef M_RESUMETRUST
  foreign[c] = 1;                    /* trust may be that of a session which the main thread was never told of */
#endif
  tell(c)
}
#endif
#define BEGIN(c) (stage[c] == NEW -> BNEW : (wprov[c] -> BPROV : BTRUSTED))
inline sendPing(c) {
  pk[i] = (stage[c] == BEGUN -> PING : BEGIN(c));
  ps[i] = SID(c); ph[i] = SENT; newer[c] = i % 2;
  if
  :: TRAVELS(c) -> skip
  :: else -> pinged(); if :: pa[i] == REENTERS -> hear(c) :: else fi
  fi;
  i = 0; s = 0
}

proctype Client(byte c) {
end:
  do
  /* ---- main thread ---- */
  :: d_step { m[c] == IDLE && att[c] < ATT(c) && rq[c] == 0 && told[c] && trust[c] > 0 ->
       att[c]++; m[c] = ASK }
  :: d_step { m[c] == ASK && rq[c] == 0 && told[c] && trust[c] > 0 && nfull(q[c]) &&
              (!calm || SERVED(c) && (!recov || VALID && !take[c])) ->
       if
       :: take[c] && SAMEERA -> T = bt[c]; r = bs[c]; forget(c); request(c, ACQ, T, r); T = 0; r = 0
       :: else -> forget(c); request(c, ACQ, 0, 0)
       fi }
  :: d_step { m[c] == ASK && FAULTS -> forget(c); giveUp(c) }         /* its time is over, or its caller aborts */
  :: d_step { m[c] == BUSY && OTHERANSWER -> forget(c); m[c] = ASK }
#ifndef M_NOTAKE
  :: d_step { m[c] == BUSY && (DEADHOLDER || OWNLAST) -> m[c] = ASK; take[c] = 1;
       if :: dead[bs[c]] && OWNER(bs[c]) != c -> remember(bs[c]) :: else fi }
  :: d_step { m[c] == BUSY && OWNER(bs[c]) != c && !dead[bs[c]] && sera[bs[c]] != 0 && told[c] && trust[c] > 0 &&
              MAYJUDGE && (sera[bs[c]] != era || SILENT) ->            /* condemn.lua */
       assert(bs[c] != SID(1 - c) || trust[1 - c] == 0);               /* S4 */
       dead[bs[c]] = 1; gone[bs[c]] = 1; m[c] = ASK; take[c] = 1; remember(bs[c]) }
#endif
  :: d_step { m[c] == BUSY && bs[c] == ms[c] && OWNER(bs[c]) == c && bl[c] != LID(c) && gb[bl[c]] == 0 ->
       gb[bl[c]] = 1; forget(c); m[c] = ASK }                          /* a lease of ours that nobody here knows */
  :: d_step { m[c] == BUSY && FAULTS -> forget(c); m[c] = IDLE }       /* busy is an answer */
#ifdef M_YESAFTERRELEASE
  :: d_step { m[c] == HOLD -> gb[LID(c)] = 1 }
#else
#ifndef M_NORELEASE
  :: d_step { m[c] == HOLD -> letGo(c) }                               /* release */
#endif
#endif
  :: d_step { m[c] == HOLD && !judged[c] && told[c] && rq[c] == 0 && he[c] != me[c] && hs[c] == ms[c] && !BELIEVED(c) &&
              REASSERTLIMIT -> letGo(c) }
  :: d_step { m[c] == HOLD && !judged[c] && told[c] && rq[c] == 0 && nfull(q[c]) && WORTH(c) &&
              !(he[c] != me[c] && hs[c] == ms[c] && !BELIEVED(c) && REASSERTLIMIT) ->
       k = KIND(c); T = tok[c]; request(c, k, T, 0); k = 0; T = 0 }
#ifdef EXPIRY
  :: d_step { m[c] == HOLD && judged[c] && told[c] && rq[c] == 0 && !lb[c] && nfull(q[c]) && WORTH(c) ->
       T = tok[c]; request(c, REN, T, 0); T = 0 }
  :: d_step { lb[c] && FAULTS -> lb[c] = 0 }
  :: d_step { !expired && lo != 0 && LOWNER(ln) == c && !(m[c] == HOLD && LID(c) == ln && lb[c]) ->
       expired = 1; clearLease(); lf[c] = 0 }                                       /* its time to live is over */
#endif
  :: d_step { rp[c] != 0 -> hearAnswer(c) }
  :: d_step { gb[2 * c + 1] == 1 && nfull(q[c]) -> gb[2 * c + 1] = 2; q[c] ! REL, ms[c], 0, 2 * c + 1, gen[c], 0, 0 }
  :: d_step { gb[2 * c + 2] == 1 && nfull(q[c]) -> gb[2 * c + 2] = 2; q[c] ! REL, ms[c], 0, 2 * c + 2, gen[c], 0, 0 }
#ifdef RESTART
  :: d_step { pend[c] -> tell(c) }
#endif
  :: d_step { era == 2 && recov && UNWRITTEN(c) && (me[c] == 2 || m[c] >= FIN) ->      /* tombstone.lua */
       wrote[c] = 1; i = 4 - 3 * c;
       do
       :: i < 7 - 3 * c -> if :: rem[i] -> dead[i] = 1 :: else fi; i++
       :: else -> break
       od; i = 0 }
  /* ---- its connection ---- */
  :: d_step { nempty(q[c]) -> execute(c, 0) }
  :: d_step { nempty(q[c + 2]) -> execute(c, 1) }
  :: d_step { nempty(q[c + 2]) -> drain(c + 2) }                       /* never executed */
  :: d_step { FAULTS && gen[c] <= DEATHS(c) && len(q[c + 2]) == 0 && (rq[c] != 0 || INFLIGHT(2 * c + 1) ||
              INFLIGHT(2 * c + 2)) -> breaks(c) }
#ifdef FLUSH
  :: d_step { !flushed && FAULTS && nempty(q[c]) && q[c] ? [ACQ, _, _, _, _, _, _] && empty(again[c]) ->
       flushed = 1; q[c] ? k, s, e, l, gn, t, r; again[c] ! k, s, e, l, gn, t, r; clearMessage() }
  :: d_step { nempty(again[c]) && nfull(q[c]) ->                       /* NOSCRIPT was heard: sent a second time */
       again[c] ? k, s, e, l, gn, t, r; q[c] ! k, s, e, l, gn, t, r; clearMessage() }
#endif
  /* ---- worker ---- */
  :: d_step { m[c] < FIN && ph[2 * c] == FREE && USEFUL(c) -> i = 2 * c; sendPing(c) }
  :: d_step { m[c] < FIN && ph[2 * c] == FREE && USEFUL(c) && REFUSABLE(c) -> z = 1; i = 2 * c; sendPing(c); z = 0 }
#ifdef LATEBEGIN
  :: d_step { c == 0 && m[0] < FIN && stage[0] != BEGUN && ph[1] == FREE ->   /* also on its way on a dead connection */
       i = 1; pk[1] = BEGIN(0); ps[1] = SID(0); ph[1] = ZOMBIE; i = 0 }
  :: d_step { c == 0 && ph[1] == ZOMBIE -> i = 1; pinged(); i = 0; s = 0 }
#endif
#ifdef TWOPINGS
  :: d_step { c == 0 && m[0] < FIN && ph[0] != FREE && ph[1] == FREE && USEFUL(0) -> i = 1; sendPing(c) }
  :: d_step { c == 0 && (ph[0] == SENT || ph[0] == ZOMBIE) -> pinged(); s = 0 }
  :: d_step { c == 0 && (ph[1] == SENT || ph[1] == ZOMBIE) -> i = 1; pinged(); i = 0; s = 0 }
  :: d_step { c == 0 && ph[0] == SENT -> ph[0] = ZOMBIE }
  :: d_step { c == 0 && ph[1] == SENT -> ph[1] = ZOMBIE }
  :: d_step { c == 0 && ph[0] == ZOMBIE -> freePing() }
  :: d_step { c == 0 && ph[1] == ZOMBIE -> i = 1; freePing(); i = 0 }
  :: d_step { c == 0 && ph[1] == ANSWERED -> i = 1; hear(c); i = 0 }
  :: d_step { c == 0 && ph[1] == ANSWERED -> i = 1; freePing(); i = 0 }
  :: d_step { c == 0 && fresh[1] -> fresh[1] = 0 }
#endif
  :: d_step { ph[2 * c] == ANSWERED -> i = 2 * c; hear(c); i = 0 }
  :: d_step { ph[2 * c] == ANSWERED && FAULTS && LOSABLE(c) -> i = 2 * c; freePing(); i = 0 }
  :: d_step { fresh[2 * c] && FAULTS -> fresh[2 * c] = 0;
       if :: NEWSLESS(c) -> i = 2 * c; freePing(); i = 0 :: else fi }
#ifdef PARK
  :: d_step { m[c] == HOLD && stage[c] == BEGUN && FAULTS -> sera[SID(c)] = 0; sgen[SID(c)] = 0; succeed(c, 0) }
#endif
#ifdef RESTART
  :: d_step { lost && FAULTS && c == 0 && ms[c] != 0 && m[c] < FIN && !restarted -> restarted = 1; restart(c) }
#endif
#ifdef KILL
  :: d_step { c == 0 && m[c] < FIN && FAULTS -> stop(c, FIN) }         /* its process is killed */
#endif
  :: d_step { USEDUP(c) -> stop(c, DONE) }
  /* ---- time ---- */
  :: d_step { trust[c] > 0 && (FAULTS && m[c] != IDLE || trust[c] == 1 && lost) -> trust[c] = 0 }
  /* ---- in every state ---- */
  :: SAYSYES(c) && tok[c] != maxtok -> assert(false)                   /* S1 */
  :: SAYSYES(0) && SAYSYES(1) -> assert(false)                         /* S1, whatever the tokens */
  :: !changed && VALID && lo == SID(c) && sera[lo] == era && !dead[lo] && m[c] != FIN && len(q[c]) == 0 &&
     len(q[c + 2]) == 0 && rq[c] == 0 && !KNOWS(c) -> assert(false)                          /* S5 */
  od
}

/* The window outlives every trust from before the loss, and whoever lives has written its tombstones by then. */
#define ENDSWINDOW (recov && trust[0] != 1 && trust[1] != 1 && !UNWRITTEN(0) && !UNWRITTEN(1))
inline endWindow() {
#ifdef LIVED
  judgeProvisional();
#endif
  recov = 0; i = 0;
  do
  :: i < 4 -> if :: pe[i] == 1 -> fresh[i] = 0 :: else fi; i++
  :: else -> break
  od;
  i = 1;
  do
  :: i < 7 -> rem[i] = 0; i++
  :: else -> break
  od; i = 0; wrote[0] = 0; wrote[1] = 0
}
#ifdef M_NOCLOSE
#define CLOSES false
#else
#define CLOSES ENDSWINDOW
#endif
/* Whoever wanted the key has had it, and it is free, or held by one who may be condemned. */
#define TAKABLE (!VALID || m[OWNER(lo)] == FIN || lo != SID(OWNER(lo)) || dead[lo] || sera[lo] != era)
#define ENDSWELL (m[0] >= FIN && m[1] >= FIN && !changed && !recov && TAKABLE)

proctype World() {
end:
  do
#ifdef SNAP
  :: d_step { !lost && zo == 0 && lo != 0 -> zo = lo; zn = ln; zt = lt }
#endif
#ifdef LOSS
  :: d_step { !lost && maxtok > 0 -> lost = 1; changed = 1; clearLease(); fence = 0;
#ifdef SNAP
       lo = zo; ln = zn; lt = zt; le = (zo != 0 -> 1 : 0); zo = 0; zn = 0; zt = 0;
#endif
       i = 1;
       do
       :: i < 7 -> dead[i] = 0; sgen[i] = 0; prov[i] = 0;
#ifndef SNAP
          sera[i] = 0;
#endif
          i++
       :: else -> break
       od; i = 0 }
  :: d_step { CLOSES -> endWindow() }
  :: d_step { changed -> notice() }                                    /* by somebody else's script */
#endif
#ifdef COLLECT
  :: d_step { dead[SID(0)] -> dead[SID(0)] = 0; sera[SID(0)] = 0; sgen[SID(0)] = 0 }    /* its tombstone has aged out */
#endif
#ifdef CALM
  :: d_step { !calm -> calm = 1 } -> goto acceptCalm
#endif
  :: false -> skip
  od;
acceptCalm:                          /* a run that never ends from here on is an error, too */
  do
  :: d_step { CLOSES -> endWindow() }
  :: d_step { changed -> notice() }
  :: timeout -> assert(!calm || ENDSWELL); break
  od
}

init { atomic { run Client(0); run Client(1); run World() } }

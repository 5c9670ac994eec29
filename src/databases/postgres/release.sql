-- Give leases back, withdraw what may have been granted, leave queues: one word for all, as an asker that goes cannot
-- know which of them it is. Only the lease and the entry of that number: never others of the same owner.
-- Arguments: fresh era id, recoveryMs, generation, session, locker; and of each element: key, lease number, for how
-- long after its grant the key is kept in ms.
-- Returns ["ok", store's ms, [element, ...]] | ["generation", store's ms]; an element is ["released"] | ["absent"] |
-- ["other", record] | ["error", message].
-- Atomic: the owner must not change between the look and its end, and nobody may come between it and the first that
-- waits: who is granted the key here has it before anybody else can ask. It also tells the session's record which
-- connection speaks now, so that an acquire which a dead connection still delivers is refused. A mere release need not
-- be on disk: what a crash forgets, its era forgets as well.

-- Also when a waiter merely leaves: behind a writer that gives up stand readers. Returns what is to be told.
CREATE OR REPLACE FUNCTION hand_on(p_ns namespace, k keys, p_me text, p_now_ms bigint) RETURNS text[]
LANGUAGE plpgsql AS $$
DECLARE
  step record;
BEGIN
  PERFORM drop_stale(k.key, p_ns.era, p_me, NULL);
  step := grant_next(p_ns, counted(k, p_ns.era), p_me, NULL, p_now_ms);
  PERFORM tell_first(p_ns, k.key, p_me, p_now_ms);
  RETURN step.told;
END $$;

-- Returns the element's answer, and what is to be told to others.
CREATE OR REPLACE FUNCTION release_one(p_ns namespace, p_key text, p_locker text, p_number bigint, p_keep_ms bigint,
  OUT answer json, OUT told text[]) LANGUAGE plpgsql AS $$
DECLARE
  now_ms bigint := clock_us() / 1000;
  k keys := read_key(p_key, now_ms);
  lease shares := find_lease(k, p_locker, p_number, now_ms);
BEGIN
  answer := problem_of(k);
  DELETE FROM waiters WHERE key = p_key AND locker = p_locker AND number = p_number;
  IF answer IS NOT NULL THEN
    RETURN;
  ELSIF lease.key IS NULL AND k.mode = 'x' THEN
    answer := json_build_array('other', tell_lease(k, find_lease(k, k.locker, k.number, 0)));
  ELSE
    answer := json_build_array(CASE WHEN lease.key IS NULL THEN 'absent' ELSE 'released' END);
  END IF;
  IF lease.state = 'x' AND p_keep_ms > 0 AND lease.at_ms + p_keep_ms > now_ms THEN
    -- Until its time is over since the grant the key stays taken, whoever ends meanwhile; of a clock that was set back
    -- since then, from now on.
    PERFORM make_durable();
    lease.state := 'k';
    lease.until_ms := least(lease.at_ms, now_ms) + p_keep_ms;
    PERFORM write_lease(k, lease);
    k := read_key(p_key, now_ms);
  ELSIF lease.state <> 'k' THEN -- else asked again
    k := remove_lease(k, lease, now_ms);
  END IF;
  IF p_ns.is_open AND EXISTS (SELECT FROM waiters WHERE key = p_key) THEN
    told := hand_on(p_ns, k, p_locker, now_ms);
  END IF;
END $$;

CREATE OR REPLACE FUNCTION release(p_fresh_era text, p_recovery_ms bigint, p_generation bigint, p_session text,
  p_locker text, p_keys text[], p_numbers bigint[], p_keep_ms bigint[]) RETURNS json
LANGUAGE plpgsql SET search_path FROM CURRENT SET lock_timeout = '1500ms' AS $$
DECLARE
  ns namespace := open_namespace(p_fresh_era, p_recovery_ms);
  s sessions := open_session(p_session, p_generation);
  answers json[];
  told text[];
  one record;
BEGIN
  IF p_generation < s.generation THEN
    RETURN json_build_array('generation', clock_us() / 1000);
  END IF;
  PERFORM lock_keys(p_keys);
  PERFORM need_not_be_durable();
  FOR i IN 1..cardinality(p_keys) LOOP
    one := release_one(ns, p_keys[i], p_locker, p_numbers[i], p_keep_ms[i]);
    answers := answers || one.answer;
    told := told || one.told;
  END LOOP;
  PERFORM tell_grants(told);
  RETURN json_build_array('ok', clock_us() / 1000, array_to_json(answers));
END $$;

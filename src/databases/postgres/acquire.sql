-- Grant leases: free keys, keys that may be held together, keys whose lease is of an older era, and keys whose
-- condemned or revoked holder is named. Or queue for them. Who is in the queue asks again and again: it is granted the
-- key, or shows that it still waits.
-- Arguments: fresh era id, recoveryMs, generation, era, session, locker, whether this locker is told of grants,
-- monotonic ms of the asker; and of each element: key, lease number, lock TTL in ms, mode ("x", "s", "p"), units,
-- limit, holders to replace as "session token mark ...", tokens wanted, for how long the asker counts as fit in ms (0:
-- it does not wait), dead waiters as "lease id session ...", trace.
-- Returns [status, store's ms, element, ...]; status "ok" | "condemned" | "era" | "generation"; an element is
-- ["granted", token, granted at ms, last token] | ["held", [record, ...]] | ["queued", ticket, whether it is the first,
-- [record, ...], [[lease id, session] of unfit waiters before it, ...]] | ["recovering"] | ["misfit", mode, limit,
-- [record, ...]] | ["error", message].
-- Atomic: the session must not be condemned, nor the era end, between the look at a key and its grant; and nobody may
-- pass one that waits.

-- Whether a lease may be taken: its session was found dead, or it bears the mark of a revocation by force and the asker
-- has been steady for as long as its holder might still have believed in it.
CREATE OR REPLACE FUNCTION is_replaced(p_replaced text[], p_token bigint, lease shares, p_steady_ms bigint,
  p_now_ms bigint) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
  FOR i IN 1..cardinality(p_replaced) BY 3 LOOP
    IF lease.session = p_replaced[i] AND p_token = p_replaced[i + 1]::bigint AND lease.state <> 'k' THEN
      IF p_replaced[i + 2] = '0' OR (lease.state = 'r' AND lease.marked_ms = p_replaced[i + 2]::bigint
        AND least(p_steady_ms, p_now_ms - lease.marked_ms) >= lease.steady_ms) THEN
        RETURN true;
      END IF;
    END IF;
  END LOOP;
  RETURN false;
END $$;

-- What holds the key, less what counts for nothing any more.
CREATE OR REPLACE FUNCTION look(p_ns namespace, w wish, p_steady_ms bigint, p_now_ms bigint) RETURNS keys
LANGUAGE plpgsql AS $$
DECLARE
  k keys := counted(read_key(w.key, p_now_ms), p_ns.era);
BEGIN
  IF k.mode IS NULL OR k.mode = 'x' THEN
    RETURN k;
  END IF;
  DELETE FROM shares AS s WHERE s.key = w.key AND (s.until_ms <= p_now_ms
    OR (p_ns.is_open AND cardinality(w.replaced) > 0 AND NOT (s.locker = w.locker AND s.number = w.number)
      AND is_replaced(w.replaced, k.token, s, p_steady_ms, p_now_ms)));
  RETURN counted(read_key(w.key, p_now_ms), p_ns.era);
END $$;

-- Permits are given out by one limit, and go with no other mode. Whoever holds the key so is told: if they are dead, it
-- is asked again in their place.
CREATE OR REPLACE FUNCTION misfit(w wish, p_mode "char", p_limit bigint, p_holders json) RETURNS json
LANGUAGE sql IMMUTABLE AS $$
  SELECT CASE WHEN (w.mode = 'p') <> (p_mode = 'p') OR w.permits <> p_limit OR w.units > greatest(1, w.permits)
    THEN json_build_array('misfit', p_mode, p_limit, p_holders) END
$$;

-- Returns its ticket.
CREATE OR REPLACE FUNCTION enqueue(p_ns namespace, w wish, p_now_us bigint) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
  own_ticket bigint;
BEGIN
  INSERT INTO waiters AS e (key, n, locker, number, session, mode, units, permits, tokens, ttl_ms, era, fit_until_ms,
      ticket, is_heard, trace)
    VALUES (w.key, (SELECT coalesce(max(n), 0) + 1 FROM waiters WHERE key = w.key), w.locker, w.number, w.session,
      w.mode, w.units, w.permits, w.tokens, w.ttl_ms, p_ns.era, p_now_us / 1000 + w.fit_for_ms, p_now_us, w.is_heard,
      w.trace)
    ON CONFLICT (key, locker, number) DO UPDATE SET session = excluded.session, mode = excluded.mode,
      units = excluded.units, permits = excluded.permits, tokens = excluded.tokens, ttl_ms = excluded.ttl_ms,
      era = excluded.era, fit_until_ms = excluded.fit_until_ms, is_heard = excluded.is_heard, trace = excluded.trace
    RETURNING ticket INTO own_ticket;
  RETURN own_ticket;
END $$;

-- The queue, when there is one: those who wait are granted what they can be first. Returns what holds the key then, the
-- entry before which it ended, what is to be told, or why the wish does not go with it.
CREATE OR REPLACE FUNCTION let_others_first(p_ns namespace, INOUT k keys, w wish, p_now_ms bigint, OUT e waiters,
  OUT told text[], OUT problem json) LANGUAGE plpgsql AS $$
DECLARE
  queue_limit bigint;
  ended record;
BEGIN
  PERFORM drop_stale(w.key, p_ns.era, w.locker, w.number);
  SELECT permits INTO queue_limit FROM waiters WHERE key = w.key ORDER BY n LIMIT 1;
  IF queue_limit <> w.permits THEN
    e := first_fit(w.key, p_ns.era, w.locker, NULL, p_now_ms);
    IF e.key IS NOT NULL THEN
      problem := misfit(w, CASE WHEN queue_limit > 0 THEN 'p'::"char" ELSE 'x'::"char" END, queue_limit, '[]');
    ELSE
      DELETE FROM waiters WHERE key = w.key; -- nobody in it can be granted anything, and its limit is no longer in use
    END IF;
    RETURN;
  END IF;
  FOR i IN 1..cardinality(w.dead) BY 2 LOOP -- those whose session a contender found dead, if it is still theirs
    DELETE FROM waiters WHERE key = w.key AND locker || '#' || number = w.dead[i] AND session = w.dead[i + 1];
  END LOOP;
  IF p_ns.is_open THEN
    ended := grant_next(p_ns, k, w.locker, w.number, p_now_ms);
    k := ended.k;
    e := ended.e;
    told := ended.told;
  ELSE
    e := first_fit(w.key, p_ns.era, w.locker, w.number, p_now_ms);
  END IF;
END $$;

-- Returns the element's answer, and what is to be told to others.
CREATE OR REPLACE FUNCTION acquire_one(p_ns namespace, w wish, p_steady_ms bigint, OUT answer json, OUT told text[])
LANGUAGE plpgsql AS $$
DECLARE
  now_us bigint := clock_us();
  now_ms bigint := now_us / 1000;
  k keys := look(p_ns, w, p_steady_ms, now_ms);
  own shares := find_lease(k, w.locker, w.number, now_ms);
  has_queue boolean;
  first waiters;
  is_free boolean;
  is_first boolean;
  step record;
BEGIN
  answer := problem_of(k);
  IF answer IS NOT NULL THEN
    RETURN;
  ELSIF own.state = 'x' THEN
    -- Asked again: its lease lives from now on, and is this session's, also if that followed a condemned one.
    own.session := w.session;
    own.until_ms := now_ms + w.ttl_ms;
    PERFORM write_lease(k, own);
    answer := json_build_array('granted', k.token, own.at_ms, k.token);
    RETURN;
  ELSIF k.mode = 'x' AND cardinality(w.replaced) > 0
    AND is_replaced(w.replaced, k.token, find_lease(k, k.locker, k.number, now_ms), p_steady_ms, now_ms) THEN
    k.mode := NULL;
  END IF;
  IF w.mode = 'p' OR k.mode = 'p' THEN
    answer := misfit(w, coalesce(k.mode, w.mode), CASE WHEN k.mode <> 'x' THEN k.permits ELSE w.permits END,
      describe(k, now_ms));
    IF answer IS NOT NULL THEN
      RETURN;
    END IF;
  END IF;
  is_free := is_compatible(k, w, now_ms);
  IF NOT is_free AND w.fit_for_ms = 0 THEN
    answer := json_build_array('held', describe(k, now_ms));
    RETURN;
  ELSIF is_free AND NOT p_ns.is_open THEN
    answer := json_build_array('recovering');
    RETURN;
  END IF;
  has_queue := EXISTS (SELECT FROM waiters WHERE key = w.key);
  IF has_queue THEN
    step := let_others_first(p_ns, k, w, now_ms);
    IF step.problem IS NOT NULL THEN
      answer := step.problem;
      RETURN;
    END IF;
    k := step.k;
    first := step.e;
    told := step.told;
  END IF;
  is_first := first.key IS NULL OR (first.locker = w.locker AND first.number = w.number);
  IF is_first AND is_compatible(k, w, now_ms) THEN
    step := grant_key(p_ns, k, w, now_ms);
    answer := json_build_array('granted', step.first_token, now_ms, step.last_token);
    IF has_queue THEN
      DELETE FROM waiters WHERE key = w.key AND locker = w.locker AND number = w.number;
      IF w.mode <> 'x' THEN
        step := grant_next(p_ns, step.k, w.locker, NULL, now_ms); -- those behind it that may hold the key with it
        told := told || step.told;
      END IF;
      PERFORM tell_first(p_ns, w.key, w.locker, now_ms);
    END IF;
  ELSIF w.fit_for_ms = 0 THEN
    answer := json_build_array('held', describe(k, now_ms));
  ELSE
    answer := json_build_array('queued', enqueue(p_ns, w, now_us), is_first, describe(k, now_ms),
      unfit_before(w.key, p_ns.era, w.locker, w.number, CASE WHEN NOT is_first THEN first.n END, now_ms));
  END IF;
END $$;

CREATE OR REPLACE FUNCTION acquire(p_fresh_era text, p_recovery_ms bigint, p_generation bigint, p_era text,
  p_session text, p_locker text, p_is_heard boolean, p_mono_ms bigint, p_keys text[], p_numbers bigint[],
  p_ttls_ms bigint[], p_modes text[], p_units bigint[], p_limits bigint[], p_replaced text[], p_tokens bigint[],
  p_fit_for_ms bigint[], p_dead text[], p_traces text[]) RETURNS json
LANGUAGE plpgsql SET search_path FROM CURRENT SET lock_timeout = '1500ms' AS $$
DECLARE
  ns namespace := open_namespace(p_fresh_era, p_recovery_ms);
  s sessions := open_session(p_session, p_generation);
  refused text := refusal(s, ns, p_era, p_generation);
  steady_ms bigint;
  answers json[];
  told text[];
  one record;
BEGIN
  IF refused IS NOT NULL THEN
    RETURN json_build_array(refused, clock_us() / 1000);
  END IF;
  PERFORM lock_keys(p_keys);
  steady_ms := steady_for(s, clock_us() / 1000, p_mono_ms);
  FOR i IN 1..cardinality(p_keys) LOOP
    one := acquire_one(ns, ROW(p_keys[i], p_locker, p_numbers[i], p_session, p_ttls_ms[i], p_modes[i],
      p_units[i], p_limits[i], p_tokens[i], string_to_array(p_replaced[i], ' '), p_fit_for_ms[i],
      string_to_array(p_dead[i], ' '), p_traces[i], p_is_heard, p_mono_ms)::wish, steady_ms);
    answers := answers || one.answer;
    told := told || one.told;
  END LOOP;
  PERFORM tell_grants(told);
  RETURN json_build_array('ok', clock_us() / 1000, array_to_json(answers));
END $$;

-- A session's sign of life. It never creates a record: an absent one is a condemned one.
-- Arguments: fresh era id, recoveryMs, session, era the sender lives in, monotonic ms of the sender, whether it saw the
-- store's clock step forward.
-- Returns [status, era, whether it is recovering, store's ms, lost counter, recoveryMs, ms until the window may close,
-- the era's number]; status is "alive" | "recovering" | "reenter" | "condemned".
-- Atomic: nobody may condemn between the look at the record and the note that it lives. It need not be on disk: what a
-- crash forgets, its era forgets as well.

CREATE OR REPLACE FUNCTION ping(p_fresh_era text, p_recovery_ms bigint, p_session text, p_era text, p_mono_ms bigint,
  p_stepped boolean) RETURNS json
LANGUAGE plpgsql SET search_path FROM CURRENT SET lock_timeout = '1500ms' AS $$
DECLARE
  ns namespace;
  s sessions;
  now_ms bigint := clock_us() / 1000;
  may_change boolean := p_stepped OR EXISTS (SELECT FROM namespace AS n, sessions AS t WHERE NOT n.is_open
    AND t.id = p_session AND now_ms - t.steady_ms >= greatest(n.recovery_ms, p_recovery_ms));
  open_in_ms bigint := 0;
  clock_offset bigint;
  answer text;
BEGIN
  PERFORM need_not_be_durable();
  ns := open_namespace(p_fresh_era, p_recovery_ms, may_change);
  IF p_stepped AND ns.era = p_era THEN
    -- Leases may have run out before their time, in an open window as well: grant nothing until the living have said
    -- what they hold
    ns := begin_era(ns, ns.run, p_fresh_era);
  END IF;
  SELECT * INTO s FROM sessions WHERE id = p_session FOR UPDATE;
  now_ms := clock_us() / 1000;
  IF s.dead_ms IS NOT NULL THEN
    answer := 'condemned';
  ELSIF s.era IS DISTINCT FROM ns.era THEN
    IF NOT ns.is_open AND NOT has_missed_era(ns, s.era_number) THEN
      answer := 'reenter';
    ELSE
      UPDATE sessions SET dead_ms = now_ms, cause = 'era' WHERE id = p_session;
      answer := 'condemned';
    END IF;
  END IF;
  IF answer IS NOT NULL THEN
    RETURN json_build_array(answer, ns.era, NOT ns.is_open, now_ms, coalesce(s.lost, 0), ns.recovery_ms, 0,
      ns.era_number);
  END IF;

  -- Steadiness: no gap over two intervals, none negative, and the store's clock in step with the sender's. A late ping
  -- looks like a clock that ran ahead, so one such ping is only counted; the second in a row is a step.
  clock_offset := now_ms - p_mono_ms;
  s.ahead := CASE WHEN clock_offset > s.offset_ms + s.drift_ms THEN s.ahead + 1 ELSE 0 END;
  IF now_ms < s.last_ms OR now_ms - s.last_ms > 2 * s.interval_ms OR clock_offset < s.offset_ms - s.drift_ms
    OR s.ahead >= 2 THEN
    s.steady_ms := now_ms;
    s.offset_ms := clock_offset;
    s.offset_at_ms := now_ms;
    s.ahead := 0;
  ELSIF s.ahead = 0 AND (clock_offset < s.offset_ms OR now_ms - s.offset_at_ms > 10000) THEN
    s.offset_ms := clock_offset; -- the least delayed ping is the best reference; renewed, since clocks drift
    s.offset_at_ms := now_ms;
  END IF;
  UPDATE sessions SET last_ms = now_ms, steady_ms = s.steady_ms, offset_ms = s.offset_ms,
    offset_at_ms = s.offset_at_ms, ahead = s.ahead, era_number = ns.era_number, keep_until_ms = now_ms + 3600000
    WHERE id = p_session;
  IF NOT ns.is_open THEN
    open_in_ms := greatest(0, ns.recovery_ms - (now_ms - s.steady_ms));
    -- Else the clock may have run ahead, and only the next ping can tell; or this one did not lock the namespace for it
    IF open_in_ms = 0 AND s.ahead = 0 AND may_change THEN
      UPDATE namespace SET is_open = true, opened_number = era_number RETURNING * INTO ns;
    END IF;
  END IF;
  IF is_doubted(ns, s, now_ms) THEN
    RETURN json_build_array('condemned', ns.era, false, now_ms, s.lost, ns.recovery_ms, 0, ns.era_number);
  END IF;
  RETURN json_build_array(CASE WHEN NOT ns.is_open AND s.is_provisional THEN 'recovering' ELSE 'alive' END, ns.era,
    NOT ns.is_open, now_ms, s.lost, ns.recovery_ms, open_in_ms, ns.era_number);
END $$;

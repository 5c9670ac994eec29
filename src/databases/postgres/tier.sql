-- Of two tiers: tells which store is in use, and hears whether the asker sees the preferred one. When a majority of
-- those who said so lately has not seen it for so long, or sees it again for so long, the store in use changes.
-- Arguments: fresh era id, voter, the epoch that it knows (0: none), when that epoch's store served it last by this
-- clock in ms, whether it sees the preferred store (null: it does not know), by how much that store's clock is ahead of
-- this one's in ms, for how long its word counts in ms, recoveryMs, awayMs, backMs.
-- Returns [epoch, the one before, whether the preferred store is away, until when that one's store served anybody in
-- ms, fence, recoveryMs, store's ms].
-- Atomic: one change at a time, and none that somebody has made already. Who reads the old epoch was asked before the
-- change was committed, and so believes for trustMs from before that at most.

-- Also begins an era in this database's own namespace, in the same transaction: whatever is held here is of an older
-- epoch, and nothing is granted until the living have said what they hold, or until no trust of that epoch is left.
-- Tokens go on from where the tier before may have come, by its own clock, until its last trust runs out.
CREATE OR REPLACE FUNCTION change_tier(p_known tier, p_from bigint, p_is_away boolean, p_fresh_era text,
  p_recovery_ms bigint) RETURNS tier LANGUAGE plpgsql AS $$
DECLARE
  ns namespace;
  t tier;
  now_ms bigint;
  slack_ms bigint := p_recovery_ms + 1000;
BEGIN
  PERFORM make_durable();
  ns := open_namespace(p_fresh_era, p_recovery_ms, true);
  SELECT * INTO t FROM tier FOR UPDATE;
  IF t.epoch IS DISTINCT FROM p_known.epoch THEN
    RETURN t; -- somebody was faster
  END IF;
  now_ms := clock_us() / 1000;
  -- Grows with the clock, so that an epoch that a failover of this database forgot is never used again.
  INSERT INTO tier AS n (epoch, run, previous, is_away, changed_ms, served_ms, fence, recovery_ms)
    VALUES (greatest(now_ms, p_from + 1), ns.run, p_from, p_is_away, now_ms, 0, 0, p_recovery_ms)
    ON CONFLICT (only_one) DO UPDATE SET epoch = excluded.epoch, run = ns.run, previous = p_from,
      is_away = excluded.is_away, changed_ms = now_ms,
      served_ms = (SELECT coalesce(max(s.served_ms), 0) FROM sights AS s),
      fence = greatest((now_ms + n.ahead_ms + slack_ms) * 1000, ns.fence + slack_ms * 1000,
        n.fence + (now_ms - n.changed_ms + slack_ms) * 1000),
      recovery_ms = greatest(n.recovery_ms, p_recovery_ms)
    RETURNING * INTO t;
  DELETE FROM sights AS s WHERE s.counts_until_ms < now_ms - 60000;
  PERFORM begin_era(ns, ns.run, p_fresh_era);
  UPDATE namespace SET fence = greatest(fence, t.fence);
  RETURN t;
END $$;

-- Whether those who said lately what they see are, most of them, for a change.
CREATE OR REPLACE FUNCTION wants_change(t tier, p_now_ms bigint, p_away_ms bigint, p_back_ms bigint) RETURNS boolean
LANGUAGE sql STABLE AS $$
  SELECT 2 * count(*) FILTER (WHERE sees = t.is_away
      AND p_now_ms - since_ms >= CASE WHEN t.is_away THEN p_back_ms ELSE p_away_ms END) > count(*)
    AND (NOT t.is_away OR p_now_ms - t.changed_ms >= p_back_ms)
    FROM sights WHERE counts_until_ms >= p_now_ms
$$;

CREATE OR REPLACE FUNCTION see_tier(p_fresh_era text, p_voter text, p_epoch bigint, p_served_ms bigint, p_sees boolean,
  p_ahead_ms bigint, p_counts_ms bigint, p_recovery_ms bigint, p_away_ms bigint, p_back_ms bigint) RETURNS json
LANGUAGE plpgsql SET search_path FROM CURRENT SET lock_timeout = '1500ms' AS $$
DECLARE
  t tier;
  now_ms bigint := clock_us() / 1000;
BEGIN
  PERFORM need_not_be_durable();
  SELECT * INTO t FROM tier;
  IF t.v > 1 THEN
    RAISE EXCEPTION 'PULSELOCK_NEWER tier record has format %', t.v;
  ELSIF t.epoch IS NULL OR t.epoch < p_epoch OR t.run <> run_id() THEN
    -- Nothing was ever recorded; or this database has forgotten an epoch that somebody lived in, or may have: it was
    -- restarted, promoted or restored. What is recorded then must not be granted by, since trust in what came after it
    -- may not be over
    t := change_tier(t, greatest(t.epoch, p_epoch), coalesce(t.is_away, false), p_fresh_era, p_recovery_ms);
  END IF;
  IF t.recovery_ms < p_recovery_ms OR t.ahead_ms + 100 < p_ahead_ms THEN -- not for each ms
    PERFORM make_durable();
    UPDATE tier SET recovery_ms = greatest(recovery_ms, p_recovery_ms), ahead_ms = greatest(ahead_ms, p_ahead_ms)
      RETURNING * INTO t;
  END IF;
  IF p_sees IS NOT NULL THEN
    INSERT INTO sights AS s (voter, sees, since_ms, counts_until_ms) VALUES (p_voter, p_sees, now_ms, 0)
      ON CONFLICT (voter) DO UPDATE SET sees = p_sees,
        since_ms = CASE WHEN s.sees = p_sees AND s.counts_until_ms >= now_ms THEN s.since_ms ELSE now_ms END;
    UPDATE sights SET counts_until_ms = now_ms + p_counts_ms,
      served_ms = greatest(served_ms, CASE WHEN p_epoch = t.epoch THEN p_served_ms END) WHERE voter = p_voter;
    IF p_sees = t.is_away AND p_epoch = t.epoch AND wants_change(t, now_ms, p_away_ms, p_back_ms) THEN
      t := change_tier(t, t.epoch, NOT t.is_away, p_fresh_era, t.recovery_ms);
    END IF;
  END IF;
  RETURN json_build_array(t.epoch, t.previous, t.is_away, t.served_ms, t.fence, t.recovery_ms, clock_us() / 1000);
END $$;

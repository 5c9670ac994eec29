-- What every verb needs: the database's clock, locks, the namespace with its era, steadiness.
-- Called by the verbs alone, which say where names are looked up; each says at its head what it takes and returns.
-- The order of locks is everywhere the same, so that nobody waits in a circle: namespace, sessions, keys by their ids.
-- Each statement sees what was committed before it (READ COMMITTED), so what is read after a lock is the latest.

CREATE OR REPLACE FUNCTION clock_us() RETURNS bigint LANGUAGE sql VOLATILE AS $$
  SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint
$$;

-- Kinds: n the namespace, s a session, k a key; c is held by a session's worker as long as it is connected, g by a
-- locker's main thread. The table's own number keeps namespaces of one database apart.
CREATE OR REPLACE FUNCTION lock_id(p_kind text, p_name text) RETURNS bigint LANGUAGE sql STABLE AS $$
  SELECT hashtextextended(p_kind || ':' || p_name, 'sessions'::regclass::oid::bigint)
$$;

CREATE OR REPLACE FUNCTION channel_of(p_kind text, p_name text) RETURNS text LANGUAGE sql STABLE AS $$
  SELECT 'pulselock_' || 'sessions'::regclass::oid || '_' || p_kind || '_' || p_name
$$;

-- Whether nobody is connected under that name. Not by pg_locks, which costs fifteen times as much; the lock is given
-- back in the same expression, so that nobody who connects waits for us.
CREATE OR REPLACE FUNCTION is_gone(p_kind text, p_name text) RETURNS boolean LANGUAGE sql VOLATILE AS $$
  SELECT CASE WHEN pg_try_advisory_lock(lock_id(p_kind, p_name)) THEN pg_advisory_unlock(lock_id(p_kind, p_name))
    ELSE false END
$$;

-- What is granted or condemned is on disk before anybody is told. A stricter setting of the server stays.
CREATE OR REPLACE FUNCTION make_durable() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  IF current_setting('synchronous_commit') IN ('off', 'local') THEN
    PERFORM set_config('synchronous_commit', 'on', true);
  END IF;
END $$;

CREATE OR REPLACE FUNCTION need_not_be_durable() RETURNS void LANGUAGE sql AS $$
  SELECT set_config('synchronous_commit', 'off', true)
$$;

-- One uninterrupted memory of the database: this process of the server, which has not crashed since, on this timeline
-- of this cluster. Who may not read the cluster's number does without: the others differ whenever it does.
CREATE OR REPLACE FUNCTION run_id() RETURNS text LANGUAGE plpgsql VOLATILE AS $$
BEGIN
  RETURN extract(epoch FROM pg_postmaster_start_time()) || ' '
    || left(pg_walfile_name(pg_current_wal_lsn()), 8) || ' '
    || CASE WHEN has_function_privilege('pg_control_system()', 'EXECUTE')
       THEN (SELECT system_identifier::text FROM pg_control_system()) ELSE '' END || ' '
    || coalesce((SELECT id FROM incarnation), '');
END $$;

-- Of two tiers an era's id says in which epoch it began, and so in which store.
CREATE OR REPLACE FUNCTION begin_era(p_ns namespace, p_run text, p_era text) RETURNS namespace LANGUAGE plpgsql AS $$
DECLARE
  ns namespace;
BEGIN
  IF p_ns.is_open THEN
    INSERT INTO lived (session, era_number, served_ms)
      SELECT '', p_ns.era_number, coalesce(max(last_ms), 0) FROM sessions WHERE era = p_ns.era
      ON CONFLICT (session) DO UPDATE SET era_number = excluded.era_number, served_ms = excluded.served_ms;
  END IF;
  INSERT INTO namespace AS n (run, era, era_number) VALUES (p_run, coalesce((SELECT epoch
    || CASE WHEN is_away THEN 'p.' ELSE 'r.' END FROM tier), '') || p_era, coalesce(p_ns.era_number, 0) + 1)
    ON CONFLICT (only_one) DO UPDATE SET run = excluded.run, era = excluded.era, is_open = false,
      era_number = excluded.era_number
    RETURNING * INTO ns;
  RETURN ns;
END $$;

-- Whether a session missed an era in which keys could be granted: its own may have gone to others since. Told by what
-- outlived the loss; where nothing did, nobody can tell.
CREATE OR REPLACE FUNCTION has_missed_era(p_ns namespace, p_era_number bigint) RETURNS boolean
LANGUAGE sql IMMUTABLE AS $$
  SELECT coalesce(p_era_number < p_ns.opened_number, false)
$$;

-- Once the window has closed: whether a session that is there provisionally may have been condemned before the loss, by
-- what all who entered know, and what the data knows. Another may have been served, and have condemned it, when it was
-- not any more. If no connection broke, the data must show also that it is not from before. Settled either way.
CREATE OR REPLACE FUNCTION is_doubted(p_ns namespace, s sessions, p_now_ms bigint) RETURNS boolean
LANGUAGE plpgsql AS $$
DECLARE
  own lived;
  doubted boolean;
BEGIN
  SELECT * INTO own FROM lived WHERE session = s.id;
  IF NOT p_ns.is_open OR NOT s.is_provisional OR own.session IS NULL THEN
    RETURN false;
  END IF;
  doubted := EXISTS (SELECT FROM lived AS l
      WHERE (l.era_number, l.served_ms) > (own.era_number, own.served_ms + own.trust_ms))
    OR own.is_silent AND NOT EXISTS (SELECT FROM lived AS l WHERE l.session = ''
      AND l.era_number = own.era_number AND l.served_ms >= own.served_ms - own.trust_ms);
  IF doubted THEN
    UPDATE sessions SET dead_ms = p_now_ms, cause = 'era' WHERE id = s.id;
  ELSE
    UPDATE sessions SET is_provisional = false WHERE id = s.id;
  END IF;
  RETURN doubted;
END $$;

-- What a session knows of the time before, for the judgement of all who enter. The namespace is locked for its change
-- where the data is older than the era that it lived in.
CREATE OR REPLACE FUNCTION bring_lived(p_session text, p_era_number bigint, p_served_ms bigint, p_trust_ms bigint,
  p_is_silent boolean) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  IF p_era_number IS NULL THEN
    RETURN;
  END IF;
  INSERT INTO lived VALUES (p_session, p_era_number, p_served_ms, p_trust_ms, p_is_silent)
    ON CONFLICT (session) DO UPDATE SET era_number = excluded.era_number, served_ms = excluded.served_ms,
      trust_ms = excluded.trust_ms, is_silent = excluded.is_silent;
  UPDATE namespace SET era_number = p_era_number + 1 WHERE era_number <= p_era_number;
END $$;

-- Locks the namespace, for itself alone when it is to be changed, and compares the server's run id with the one it
-- keeps: a database that was restarted, promoted or emptied is noticed by the very statement that would grant.
CREATE OR REPLACE FUNCTION open_namespace(p_fresh_era text, p_recovery_ms bigint, p_changes boolean DEFAULT false)
RETURNS namespace LANGUAGE plpgsql AS $$
DECLARE
  ns namespace;
  run text := run_id();
  changes boolean;
BEGIN
  IF current_setting('transaction_isolation') <> 'read committed' THEN
    RAISE EXCEPTION 'PULSELOCK_ISOLATION %', current_setting('transaction_isolation');
  END IF;
  SELECT * INTO ns FROM namespace;
  changes := p_changes OR ns.era IS NULL OR ns.run <> run OR ns.recovery_ms < p_recovery_ms;
  IF changes THEN
    PERFORM pg_advisory_xact_lock(lock_id('n', ''));
    INSERT INTO incarnation (id) VALUES (p_fresh_era) ON CONFLICT (only_one) DO NOTHING;
    run := run_id();
  ELSE
    PERFORM pg_advisory_xact_lock_shared(lock_id('n', ''));
  END IF;
  SELECT * INTO ns FROM namespace;
  IF ns.v > 1 THEN
    RAISE EXCEPTION 'PULSELOCK_NEWER namespace record has format %', ns.v;
  END IF;
  IF NOT changes AND (ns.era IS NULL OR ns.run <> run) THEN
    RAISE serialization_failure USING MESSAGE = 'the namespace changed meanwhile'; -- asked again
  END IF;
  IF ns.era IS NULL OR ns.run <> run THEN
    ns := begin_era(ns, run, p_fresh_era);
  END IF;
  IF ns.recovery_ms < p_recovery_ms THEN
    UPDATE namespace SET recovery_ms = p_recovery_ms RETURNING * INTO ns;
  END IF;
  RETURN ns;
END $$;

-- For how long this session has been served without a gap, up to this very moment; 0 when it is not steady now.
CREATE OR REPLACE FUNCTION steady_for(s sessions, p_now_ms bigint, p_mono_ms bigint) RETURNS bigint
LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
  IF s.dead_ms IS NOT NULL OR s.last_ms IS NULL OR p_now_ms < s.last_ms
    OR p_now_ms - s.last_ms > 2 * s.interval_ms OR abs(p_now_ms - p_mono_ms - s.offset_ms) > s.drift_ms THEN
    RETURN 0;
  END IF;
  RETURN p_now_ms - s.steady_ms;
END $$;

-- How far the store's clock may run ahead without this session calling it a step, ms.
CREATE OR REPLACE FUNCTION drift_of(s sessions) RETURNS bigint LANGUAGE sql IMMUTABLE AS $$
  SELECT CASE WHEN s.dead_ms IS NOT NULL OR s.last_ms IS NULL THEN 0 ELSE s.drift_ms END
$$;

-- A contender with larger limits overlooks larger steps of the store's clock than the victim's margin allows for: by
-- so many ms its silence must be longer.
CREATE OR REPLACE FUNCTION overlooked_ms(p_drift_ms bigint, p_victim_drift_ms bigint) RETURNS bigint
LANGUAGE sql IMMUTABLE AS $$
  SELECT greatest(0, p_drift_ms - p_victim_drift_ms)
$$;

-- Locks a session against its end and reads it. A connection's generation only grows: who brings a new one waits for
-- all that older ones have under way, so that what a dead connection still delivers comes before it or is refused.
CREATE OR REPLACE FUNCTION open_session(p_id text, p_generation bigint) RETURNS sessions LANGUAGE plpgsql AS $$
DECLARE
  s sessions;
BEGIN
  SELECT * INTO s FROM sessions WHERE id = p_id;
  IF s.generation < p_generation THEN
    PERFORM pg_advisory_xact_lock(lock_id('s', p_id));
  ELSE
    PERFORM pg_advisory_xact_lock_shared(lock_id('s', p_id));
  END IF;
  UPDATE sessions SET generation = p_generation WHERE id = p_id AND generation < p_generation AND dead_ms IS NULL;
  SELECT * INTO s FROM sessions WHERE id = p_id;
  RETURN s;
END $$;

-- Why a command of this session is not to be executed, or null.
CREATE OR REPLACE FUNCTION refusal(s sessions, p_ns namespace, p_era text, p_generation bigint) RETURNS text
LANGUAGE sql IMMUTABLE AS $$
  SELECT CASE WHEN s.dead_ms IS NOT NULL OR s.era IS NULL THEN 'condemned'
    WHEN s.era <> p_ns.era OR p_era <> p_ns.era THEN 'era'
    WHEN p_generation < s.generation THEN 'generation' END
$$;

-- Always in the same order, whatever the order of the batch.
CREATE OR REPLACE FUNCTION lock_keys(p_keys text[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  PERFORM pg_advisory_xact_lock(id)
    FROM (SELECT DISTINCT lock_id('k', k) AS id FROM unnest(p_keys) AS k ORDER BY 1) AS ids;
END $$;

-- What a main thread is told without asking. A hint: its next asking finds the same.
CREATE OR REPLACE FUNCTION tell_locker(p_locker text, p_words text) RETURNS void LANGUAGE sql AS $$
  SELECT pg_notify(channel_of('g', p_locker), p_words)
$$;

CREATE OR REPLACE FUNCTION locker_of(p_session text) RETURNS text LANGUAGE sql IMMUTABLE AS $$
  SELECT regexp_replace(p_session, '\.[^.]*$', '')
$$;

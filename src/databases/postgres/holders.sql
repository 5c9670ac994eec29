-- What verbs need that meet keys: who holds one, and what holds together.
-- Called by the verbs alone; the keys are locked. `keys` is the row of a key, its mode null when nobody holds it: also
-- while it is looked at, so that whoever writes it next takes over what counts for nothing any more.

-- A wish for a key, as a batch's element says it.
DO $$ BEGIN
  CREATE TYPE wish AS (key text, locker text, number bigint, session text, ttl_ms bigint, mode "char", units bigint,
    permits bigint, tokens bigint, replaced text[], fit_for_ms bigint, dead text[], trace text, is_heard boolean,
    mono_ms bigint);
EXCEPTION WHEN duplicate_object THEN NULL;
END $$;

-- The key as it is held, in whatever era; free when its lease has run out.
CREATE OR REPLACE FUNCTION read_key(p_key text, p_now_ms bigint) RETURNS keys LANGUAGE plpgsql VOLATILE AS $$
DECLARE
  k keys;
BEGIN
  SELECT * INTO k FROM keys WHERE key = p_key;
  IF k.key IS NULL THEN
    k.key := p_key;
    k.last_token := 0;
  ELSIF k.mode = 'x' THEN
    IF k.until_ms <= p_now_ms THEN
      k.mode := NULL;
    END IF;
  ELSIF k.mode IS NOT NULL AND NOT EXISTS (SELECT FROM shares WHERE key = p_key AND until_ms > p_now_ms) THEN
    k.mode := NULL;
  END IF;
  RETURN k;
END $$;

-- Why a row cannot be understood, or null.
CREATE OR REPLACE FUNCTION problem_of(k keys) RETURNS json LANGUAGE sql IMMUTABLE AS $$
  SELECT CASE WHEN k.v > 1 THEN json_build_array('error', 'PULSELOCK_NEWER lease record has format ' || k.v) END
$$;

-- What of it counts in this era: what is kept does in any, since nobody could say it again; shares never outlive
-- theirs.
CREATE OR REPLACE FUNCTION counted(k keys, p_era text) RETURNS keys LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
  IF k.mode IS NOT NULL AND k.era <> p_era AND (k.mode <> 'x' OR k.state <> 'k') THEN
    k.mode := NULL;
  END IF;
  RETURN k;
END $$;

CREATE OR REPLACE FUNCTION units_of(p_key text, p_now_ms bigint) RETURNS bigint LANGUAGE plpgsql VOLATILE AS $$
BEGIN
  RETURN (SELECT coalesce(sum(units), 0) FROM shares WHERE key = p_key AND until_ms > p_now_ms);
END $$;

-- Whether a wish can be granted beside what holds the key. Not while its own lease is there: it was revoked by force
-- before its waiter heard of it, and would be counted twice.
CREATE OR REPLACE FUNCTION is_compatible(k keys, w wish, p_now_ms bigint) RETURNS boolean
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
  IF k.mode IS NULL THEN
    RETURN true;
  ELSIF w.mode = 'x' OR w.mode <> k.mode THEN
    RETURN false;
  ELSIF EXISTS (SELECT FROM shares WHERE key = k.key AND locker = w.locker AND number = w.number
    AND until_ms > p_now_ms) THEN
    RETURN false;
  END IF;
  RETURN w.mode = 's' OR units_of(k.key, p_now_ms) + w.units <= k.permits;
END $$;

-- The lease of that id, whatever the key is held as, as a row of `shares`; all of it null when there is none.
CREATE OR REPLACE FUNCTION find_lease(k keys, p_locker text, p_number bigint, p_now_ms bigint) RETURNS shares
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
  lease shares;
BEGIN
  IF k.mode = 'x' THEN
    IF k.locker = p_locker AND k.number = p_number THEN
      lease := ROW(k.key, k.locker, k.number, k.session, k.state, 1, k.at_ms, k.until_ms, k.marked_ms, k.steady_ms,
        k.trace)::shares;
    END IF;
  ELSIF k.mode IS NOT NULL THEN
    SELECT * INTO lease FROM shares
      WHERE key = k.key AND locker = p_locker AND number = p_number AND until_ms > p_now_ms;
  END IF;
  RETURN lease;
END $$;

-- Writes a lease back that find_lease found and its caller changed.
CREATE OR REPLACE FUNCTION write_lease(k keys, lease shares) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  IF k.mode = 'x' THEN
    UPDATE keys SET session = lease.session, state = lease.state, until_ms = lease.until_ms, era = k.era,
      marked_ms = lease.marked_ms, steady_ms = lease.steady_ms WHERE key = k.key;
  ELSE
    UPDATE shares SET session = lease.session, state = lease.state, until_ms = lease.until_ms,
      marked_ms = lease.marked_ms, steady_ms = lease.steady_ms
      WHERE key = k.key AND locker = lease.locker AND number = lease.number;
  END IF;
END $$;

-- Returns what is left.
CREATE OR REPLACE FUNCTION remove_lease(k keys, lease shares, p_now_ms bigint) RETURNS keys LANGUAGE plpgsql AS $$
BEGIN
  IF k.mode <> 'x' THEN
    DELETE FROM shares WHERE key = k.key AND locker = lease.locker AND number = lease.number;
    IF EXISTS (SELECT FROM shares WHERE key = k.key AND until_ms > p_now_ms) THEN
      RETURN k;
    END IF;
  END IF;
  UPDATE keys SET mode = NULL, until_ms = p_now_ms WHERE key = k.key RETURNING * INTO k;
  RETURN k;
END $$;

-- A lease that is granted, alone or as the first or next of several. Whatever lay there and did not count goes.
CREATE OR REPLACE FUNCTION write_grant(k keys, w wish, p_era text, p_token bigint, p_last bigint, p_at_ms bigint,
  p_now_ms bigint) RETURNS keys LANGUAGE plpgsql AS $$
DECLARE
  is_alone boolean := w.mode = 'x';
  joins boolean := k.mode IS NOT NULL;
BEGIN
  IF NOT joins THEN
    DELETE FROM shares WHERE key = k.key AND EXISTS (SELECT FROM keys WHERE key = k.key AND mode <> 'x');
    INSERT INTO keys AS old (key, mode, state, locker, number, session, token, last_token, permits, at_ms, until_ms,
        era, trace)
      VALUES (k.key, w.mode, CASE WHEN is_alone THEN 'x'::"char" END, CASE WHEN is_alone THEN w.locker END,
        CASE WHEN is_alone THEN w.number END, CASE WHEN is_alone THEN w.session END, p_token,
        greatest(k.last_token, p_last), w.permits, p_at_ms, p_now_ms + w.ttl_ms, p_era,
        CASE WHEN is_alone THEN w.trace END)
      ON CONFLICT (key) DO UPDATE SET mode = excluded.mode, state = excluded.state, locker = excluded.locker,
        number = excluded.number, session = excluded.session, token = excluded.token,
        last_token = excluded.last_token, permits = excluded.permits, at_ms = excluded.at_ms,
        until_ms = excluded.until_ms, era = excluded.era, marked_ms = NULL, steady_ms = NULL, trace = excluded.trace
      RETURNING * INTO k;
  END IF;
  IF NOT is_alone THEN
    INSERT INTO shares (key, locker, number, session, state, units, at_ms, until_ms, trace)
      VALUES (k.key, w.locker, w.number, w.session, 'x', w.units, p_at_ms, p_now_ms + w.ttl_ms, w.trace)
      ON CONFLICT (key, locker, number) DO UPDATE SET session = excluded.session, state = 'x', units = excluded.units,
        at_ms = excluded.at_ms, until_ms = excluded.until_ms, marked_ms = NULL, steady_ms = NULL,
        trace = excluded.trace;
  END IF;
  RETURN k;
END $$;

-- A lease as it is told: [session, number, token, granted at, era, mode, units, whether it is kept, trace].
CREATE OR REPLACE FUNCTION tell_lease(k keys, lease shares) RETURNS json LANGUAGE sql IMMUTABLE AS $$
  SELECT json_build_array(lease.session, lease.number, k.token, lease.at_ms, k.era, k.mode, lease.units,
    lease.state = 'k', lease.trace)
$$;

-- The record that a lost lease is told of, or null: who revoked it by force has not taken it yet, and those who hold a
-- key together are no cause.
CREATE OR REPLACE FUNCTION taken_by(k keys) RETURNS json LANGUAGE sql VOLATILE AS $$
  SELECT CASE WHEN k.mode = 'x' AND k.state <> 'r' THEN
    tell_lease(k, find_lease(k, k.locker, k.number, 0)) END
$$;

-- A lease of this locker that is still held, and what holds the key; else what the locker is told. Under that session,
-- null for any.
CREATE OR REPLACE FUNCTION find_ours(p_ns namespace, p_locker text, p_key text, p_number bigint, p_token bigint,
  p_session text, p_now_ms bigint, OUT k keys, OUT lease shares, OUT problem json) LANGUAGE plpgsql AS $$
BEGIN
  k := read_key(p_key, p_now_ms);
  problem := problem_of(k);
  IF problem IS NOT NULL THEN
    RETURN;
  ELSIF k.era <> p_ns.era THEN
    k.mode := NULL;
  END IF;
  lease := find_lease(k, p_locker, p_number, p_now_ms);
  IF lease.state = 'x' AND k.token = p_token AND lease.session = coalesce(p_session, lease.session) THEN
    RETURN;
  END IF;
  problem := json_build_array('lost', taken_by(k));
END $$;

-- The leases that hold the key, for the answer: all of them; or at most 8, each of another session, and of more not
-- always the same.
CREATE OR REPLACE FUNCTION describe(k keys, p_now_ms bigint, p_for_all boolean DEFAULT false) RETURNS json
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
  IF k.mode IS NULL THEN
    RETURN '[]';
  ELSIF k.mode = 'x' THEN
    RETURN json_build_array(tell_lease(k, find_lease(k, k.locker, k.number, 0)));
  ELSIF p_for_all THEN
    RETURN (SELECT coalesce(json_agg(tell_lease(k, s) ORDER BY s.locker, s.number), '[]') FROM shares AS s
      WHERE s.key = k.key AND s.until_ms > p_now_ms);
  END IF;
  RETURN (SELECT coalesce(json_agg(tell_lease(k, found.lease)), '[]') FROM (
    SELECT each.lease FROM (
      SELECT DISTINCT ON (s.session) s AS lease FROM shares AS s WHERE s.key = k.key AND s.until_ms > p_now_ms
        ORDER BY s.session, s.number) AS each
      ORDER BY random() LIMIT 8) AS found);
END $$;

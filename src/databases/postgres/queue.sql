-- What verbs need that queue or hand on: who is next, and what a grant is.
-- Called by the verbs alone; the keys are locked.

-- Whether its main thread asked a moment ago and still listens. Where it cannot be told only the time tells. Who asks
-- is there, and its own lock would not say so.
CREATE OR REPLACE FUNCTION is_fit(e waiters, p_me text, p_now_ms bigint) RETURNS boolean LANGUAGE sql VOLATILE AS $$
  SELECT e.fit_until_ms > p_now_ms AND (NOT e.is_heard OR e.locker = p_me OR NOT is_gone('g', e.locker))
$$;

-- The first entry of this era that is fit, or is the asker's own; all of it null when there is none.
CREATE OR REPLACE FUNCTION first_fit(p_key text, p_era text, p_me text, p_number bigint, p_now_ms bigint)
RETURNS waiters LANGUAGE plpgsql VOLATILE AS $$
DECLARE
  e waiters;
BEGIN
  FOR e IN SELECT * FROM waiters WHERE key = p_key AND era = p_era ORDER BY n LOOP
    IF (e.locker = p_me AND e.number = p_number) OR is_fit(e, p_me, p_now_ms) THEN
      RETURN e;
    END IF;
  END LOOP;
  RETURN NULL;
END $$;

-- Those that were passed over, up to that place: lease id and session of at most 7.
CREATE OR REPLACE FUNCTION unfit_before(p_key text, p_era text, p_me text, p_number bigint, p_n bigint, p_now_ms bigint)
RETURNS json LANGUAGE plpgsql VOLATILE AS $$
BEGIN
  RETURN (SELECT coalesce(json_agg(json_build_array(found.id, found.session)), '[]') FROM (
    SELECT e.locker || '#' || e.number AS id, e.session FROM waiters AS e
      WHERE e.key = p_key AND e.era = p_era AND e.n < coalesce(p_n, 9223372036854775807)
        AND NOT (e.locker = p_me AND e.number = p_number) AND NOT is_fit(e, p_me, p_now_ms)
      ORDER BY e.n LIMIT 7) AS found);
END $$;

-- Entries of an older era: who waits has asked again since, or will. The asker's own keeps its place.
CREATE OR REPLACE FUNCTION drop_stale(p_key text, p_era text, p_me text, p_number bigint) RETURNS void
LANGUAGE sql VOLATILE AS $$
  DELETE FROM waiters WHERE key = p_key AND era <> p_era
    AND (p_number IS NULL OR locker <> p_me OR number <> p_number)
$$;

-- Grants a wish, which must be compatible, and returns what holds the key now, the token and the last token. No block
-- of tokens reaches further ahead of the store's clock than a tenth of the recovery window, since after a loss of data
-- the clock alone keeps tokens growing. Tokens grow for each key; only while the clock is behind the namespace's fence
-- they are taken from that one, for all keys.
CREATE OR REPLACE FUNCTION grant_key(p_ns namespace, INOUT k keys, w wish, p_now_ms bigint, OUT first_token bigint,
  OUT last_token bigint) LANGUAGE plpgsql AS $$
DECLARE
  now_us bigint := clock_us();
  tokens bigint := CASE WHEN w.mode = 'x' THEN w.tokens ELSE 1 END;
BEGIN
  PERFORM make_durable();
  IF k.mode IS NOT NULL THEN
    first_token := k.token;
    last_token := k.token;
  ELSIF w.mode = 'p' THEN
    first_token := 0;
    last_token := 0;
  ELSE
    first_token := greatest(k.last_token + 1, p_ns.fence + 1, now_us);
    IF p_ns.fence >= now_us THEN
      SELECT greatest(first_token, fence + 1) INTO first_token FROM namespace FOR UPDATE;
    END IF;
    last_token := greatest(first_token, least(first_token + tokens - 1, now_us + p_ns.recovery_ms * 100));
    IF p_ns.fence >= now_us THEN
      UPDATE namespace SET fence = grant_key.last_token;
    END IF;
  END IF;
  k := write_grant(k, w, p_ns.era, first_token, last_token, p_now_ms, p_now_ms);
END $$;

-- Tells the first that can be granted the key that nobody is before it any more: it is to watch whoever holds the key.
CREATE OR REPLACE FUNCTION tell_first(p_ns namespace, p_key text, p_me text, p_now_ms bigint) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
  e waiters := first_fit(p_key, p_ns.era, p_me, NULL, p_now_ms);
BEGIN
  IF e.is_heard THEN
    PERFORM tell_locker(e.locker, 'first ' || e.number);
  END IF;
END $$;

-- What a waiter of an entry is told: its locker and the words. It is told at the end of the verb, after whoever became
-- the first by it.
CREATE OR REPLACE FUNCTION tell_grants(p_told text[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  FOR i IN 1..coalesce(cardinality(p_told), 0) BY 2 LOOP
    PERFORM tell_locker(p_told[i], p_told[i + 1]);
  END LOOP;
END $$;

-- Grants the key to those who wait, in their order, until it comes to the asker, to one who must wait on, or to nobody.
-- Who comes after that one is not looked at: so nobody is passed, and neither a writer nor a wish for many permits
-- starves. Returns what holds the key now, the entry where it ended and what is to be told. Not while recovering. At
-- most 64 in a call; the polls of those who are left bring the next.
CREATE OR REPLACE FUNCTION grant_next(p_ns namespace, INOUT k keys, p_me text, p_number bigint, p_now_ms bigint,
  OUT e waiters, OUT told text[]) LANGUAGE plpgsql AS $$
DECLARE
  granted record;
  w wish;
BEGIN
  FOR i IN 1..64 LOOP
    e := NULL;
    IF k.mode = 'x' AND p_number IS NULL THEN
      RETURN;
    END IF;
    e := first_fit(k.key, p_ns.era, p_me, p_number, p_now_ms);
    w := ROW(e.key, e.locker, e.number, e.session, e.ttl_ms, e.mode, e.units, e.permits, e.tokens, NULL, 0, NULL,
      e.trace, e.is_heard, 0)::wish;
    IF e.key IS NULL OR (e.locker = p_me AND e.number = p_number) OR NOT is_compatible(k, w, p_now_ms) THEN
      RETURN;
    END IF;
    granted := grant_key(p_ns, k, w, p_now_ms);
    k := granted.k;
    DELETE FROM waiters WHERE key = e.key AND n = e.n;
    IF e.is_heard THEN
      told := told || ARRAY[e.locker, concat_ws(' ', 'granted', e.number, granted.first_token, granted.last_token,
        p_now_ms, p_ns.era, e.session)];
    END IF;
  END LOOP;
END $$;

-- What a contender needs to know of a holder's session, and of its own, at one instant of the store.
-- Arguments: holder's session, contender's session, monotonic ms of the contender.
-- Returns [store's ms, whether the holder's connection is gone, ms the contender has been steady, ms that it must wait
-- on top of the holder's limits, the holder's record or null]. It writes nothing.

CREATE OR REPLACE FUNCTION read_session(p_session text, p_contender text, p_mono_ms bigint) RETURNS json
LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE
  s sessions;
  contender sessions;
  now_ms bigint;
BEGIN
  SELECT * INTO s FROM sessions WHERE id = p_session;
  SELECT * INTO contender FROM sessions WHERE id = p_contender;
  now_ms := clock_us() / 1000;
  RETURN json_build_array(now_ms, s.listens AND is_gone('c', p_session), steady_for(contender, now_ms, p_mono_ms),
    overlooked_ms(drift_of(contender), coalesce(s.drift_ms, drift_of(contender))),
    CASE WHEN s.id IS NOT NULL THEN row_to_json(s) END);
END $$;

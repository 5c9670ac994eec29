-- Tell a locker's main thread something that it did not ask for. A hint.
-- Arguments: locker, the words. Returns whether anybody listens.

CREATE OR REPLACE FUNCTION tell(p_locker text, p_words text) RETURNS boolean
LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
  PERFORM tell_locker(p_locker, p_words);
  RETURN NOT is_gone('g', p_locker);
END $$;

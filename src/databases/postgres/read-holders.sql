-- All who hold a key; and, for a lease, what its task waits for and who holds that. Of any era. They write nothing.
-- Arguments: key, or lease id.
-- Returns ["held", [record, ...]] | ["error", message]; and for a lease null, or [key, lease id of the wait, ticket,
-- whether it stands in the key's queue under that ticket, and the same of that key].

CREATE OR REPLACE FUNCTION read_holders(p_key text) RETURNS json
LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE
  now_ms bigint := clock_us() / 1000;
  k keys := read_key(p_key, now_ms);
BEGIN
  RETURN coalesce(problem_of(k), json_build_array('held', describe(k, now_ms, true)));
END $$;

CREATE OR REPLACE FUNCTION read_waiting(p_lease text) RETURNS json
LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE
  b blocked;
BEGIN
  SELECT * INTO b FROM blocked WHERE lease_id = p_lease AND until_ms > clock_us() / 1000;
  IF b.lease_id IS NULL THEN
    RETURN NULL;
  END IF;
  RETURN json_build_array(b.key, b.waiter, b.ticket, EXISTS (SELECT FROM waiters AS e
    WHERE e.key = b.key AND e.locker || '#' || e.number = b.waiter AND e.ticket = b.ticket), read_holders(b.key));
END $$;

-- Say of leases that their task waits for a key, for others that look for a circle of such waits; or that it does not.
-- Arguments: lease ids, ticket, lease id and key of the wait (null: it is over), for how long it is said in ms.
-- Returns nothing. One statement for all that the task holds, so that nobody sees half of it.

CREATE OR REPLACE FUNCTION mark_blocked(p_leases text[], p_ticket bigint, p_waiter text, p_key text, p_keep_ms bigint)
RETURNS void LANGUAGE plpgsql SET search_path FROM CURRENT SET lock_timeout = '1500ms' AS $$
BEGIN
  PERFORM need_not_be_durable();
  IF p_key IS NULL THEN
    DELETE FROM blocked WHERE lease_id = ANY (p_leases);
  ELSE
    INSERT INTO blocked (lease_id, ticket, waiter, key, until_ms)
      SELECT DISTINCT l, p_ticket, p_waiter, p_key, clock_us() / 1000 + p_keep_ms FROM unnest(p_leases) AS l ORDER BY l
      ON CONFLICT (lease_id) DO UPDATE SET ticket = excluded.ticket, waiter = excluded.waiter, key = excluded.key,
        until_ms = excluded.until_ms;
  END IF;
END $$;

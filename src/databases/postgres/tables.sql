-- What the database keeps: the tables of one namespace, all in its schema. Made once, by whoever comes first; a later
-- version adds to them and takes nothing away. Times are the database's own, in ms; texts from outside (keys, traces)
-- are escaped, since a text here cannot hold a NUL.
-- Arguments none. Returns nothing.
-- Rows that change all the time have room beside them (fillfactor), so that a change needs no new entry in an index
-- (HOT) and its page is cleaned by the next one who reads it. Truncating a table would stop all pings for a moment.

CREATE TABLE IF NOT EXISTS namespace (
  only_one boolean PRIMARY KEY DEFAULT true CHECK (only_one),
  v int NOT NULL DEFAULT 1,
  run text NOT NULL,
  era text NOT NULL,
  is_open boolean NOT NULL DEFAULT false,
  era_number bigint NOT NULL,
  opened_number bigint NOT NULL DEFAULT 0, -- of the last era whose window has closed
  recovery_ms bigint NOT NULL DEFAULT 0,
  fence bigint NOT NULL DEFAULT 0, -- above the clock only after that was set back, or told by who held a larger token
  collected_ms bigint NOT NULL DEFAULT 0
) WITH (fillfactor = 10);

-- A crash empties it, and with it goes whatever was not on disk yet: who finds it empty begins an era.
CREATE UNLOGGED TABLE IF NOT EXISTS incarnation (
  only_one boolean PRIMARY KEY DEFAULT true CHECK (only_one),
  id text NOT NULL
);

CREATE TABLE IF NOT EXISTS sessions (
  id text PRIMARY KEY,
  v int NOT NULL DEFAULT 1,
  era text,
  era_number bigint,
  last_ms bigint,
  steady_ms bigint,
  offset_ms bigint,
  offset_at_ms bigint,
  ahead int,
  lost bigint NOT NULL DEFAULT 0,
  generation bigint NOT NULL DEFAULT 0,
  is_provisional boolean,
  ttl_ms bigint,
  grace_ms bigint,
  interval_ms bigint,
  drift_ms bigint,
  listens boolean, -- whether peers may judge by its worker's lock
  host text,
  pid bigint,
  labels text,
  proofs text[], -- boot id, pid namespace, time namespace, start time
  dead_ms bigint,
  cause text,
  keep_until_ms bigint NOT NULL -- for garbage only
) WITH (fillfactor = 30, vacuum_truncate = false, autovacuum_vacuum_scale_factor = 0,
  autovacuum_vacuum_threshold = 500);

-- What is known of the time before the era: of a session that entered it again, by that itself; under '' by the data.
CREATE TABLE IF NOT EXISTS lived (
  session text PRIMARY KEY,
  era_number bigint NOT NULL,
  served_ms bigint NOT NULL, -- when it, or anybody, was served last, by the clock of that era
  trust_ms bigint NOT NULL DEFAULT 0, -- for how long that is believed
  is_silent boolean NOT NULL DEFAULT false -- no connection broke: it got no answers
);

-- A key and the lease that holds it alone, if one does. It outlives the lease: its next grant changes it in place.
CREATE TABLE IF NOT EXISTS keys (
  key text PRIMARY KEY,
  v int NOT NULL DEFAULT 1,
  mode "char", -- x exclusive, s shared, p permits; null: nobody holds it
  state "char", -- of an exclusive lease: x held, k kept, r revoked by force
  locker text,
  number bigint,
  session text,
  token bigint, -- of the last lease or the last shared period
  last_token bigint NOT NULL DEFAULT 0, -- the end of the last block
  permits bigint NOT NULL DEFAULT 0, -- the limit, of a key that is held in permits
  at_ms bigint,
  until_ms bigint NOT NULL,
  era text,
  marked_ms bigint,
  steady_ms bigint,
  trace text
) WITH (fillfactor = 60, vacuum_truncate = false, autovacuum_vacuum_scale_factor = 0.05);

-- The leases of a key that several hold together.
CREATE TABLE IF NOT EXISTS shares (
  key text,
  locker text,
  number bigint,
  session text NOT NULL,
  state "char" NOT NULL,
  units bigint NOT NULL,
  at_ms bigint NOT NULL,
  until_ms bigint NOT NULL,
  marked_ms bigint,
  steady_ms bigint,
  trace text NOT NULL,
  PRIMARY KEY (key, locker, number)
) WITH (fillfactor = 80, vacuum_truncate = false);

CREATE TABLE IF NOT EXISTS waiters (
  key text,
  n bigint, -- its place
  locker text NOT NULL,
  number bigint NOT NULL,
  session text NOT NULL,
  mode "char" NOT NULL,
  units bigint NOT NULL,
  permits bigint NOT NULL,
  tokens bigint NOT NULL,
  ttl_ms bigint NOT NULL,
  era text NOT NULL,
  fit_until_ms bigint NOT NULL,
  ticket bigint NOT NULL, -- µs when it queued
  is_heard boolean NOT NULL, -- whether its main thread listens, and can be told
  trace text NOT NULL,
  PRIMARY KEY (key, n),
  UNIQUE (key, locker, number)
) WITH (fillfactor = 60, vacuum_truncate = false, autovacuum_vacuum_scale_factor = 0,
  autovacuum_vacuum_threshold = 500);

-- What the task that holds a lease waits for.
CREATE TABLE IF NOT EXISTS blocked (
  lease_id text PRIMARY KEY,
  ticket bigint NOT NULL,
  waiter text NOT NULL,
  key text NOT NULL,
  until_ms bigint NOT NULL
) WITH (vacuum_truncate = false);

-- Of two tiers: which store is in use. Each change begins an epoch.
CREATE TABLE IF NOT EXISTS tier (
  only_one boolean PRIMARY KEY DEFAULT true CHECK (only_one),
  v int NOT NULL DEFAULT 1,
  epoch bigint NOT NULL,
  run text NOT NULL DEFAULT '', -- the memory in which it was recorded: another may lack what was recorded last
  previous bigint NOT NULL, -- the epoch before
  is_away boolean NOT NULL, -- whether the preferred store is away and this database in its place
  changed_ms bigint NOT NULL,
  served_ms bigint NOT NULL, -- until when anybody said that the store of the epoch before served it
  fence bigint NOT NULL, -- no token of an earlier epoch is above it
  ahead_ms bigint NOT NULL DEFAULT 0, -- the most that the preferred store's clock was ever ahead of this one's
  recovery_ms bigint NOT NULL
) WITH (fillfactor = 50);
ALTER TABLE tier ADD COLUMN IF NOT EXISTS run text NOT NULL DEFAULT ''; -- earlier versions know of none

-- Who says whether it sees the preferred store.
CREATE TABLE IF NOT EXISTS sights (
  voter text PRIMARY KEY,
  sees boolean NOT NULL,
  since_ms bigint NOT NULL,
  counts_until_ms bigint NOT NULL, -- from then on it counts for nothing, unless it says so again
  served_ms bigint NOT NULL DEFAULT 0 -- when the store in use had served it
) WITH (fillfactor = 30, vacuum_truncate = false, autovacuum_vacuum_scale_factor = 0,
  autovacuum_vacuum_threshold = 500);

-- The records. The collation "C" orders by bytes in every database, whatever its locale. No
-- index holds value or expires, so an update of a record changes no index (HOT). The room
-- that the fill factor leaves on each page is for the new version.
CREATE TABLE {schema}.records (
	partition text COLLATE "C" NOT NULL,
	name      text COLLATE "C" NOT NULL,
	value     bytea NOT NULL,
	expires   bigint, -- Unix time in milliseconds, rounded up; null is never
	PRIMARY KEY (partition, name)
) WITH (fillfactor = 85);

CREATE TABLE {schema}.counters (
	key   text COLLATE "C" PRIMARY KEY,
	until bigint NOT NULL -- Unix time in microseconds; the state of store.Limit.Apply
) WITH (fillfactor = 70);

-- Which partitions were changed lately, by the transaction that changed them. Commits note it while
-- there is an epoch, which is while somebody asks for it (Options.MaxLag). A crash of the server
-- empties both tables, so an epoch that is gone says that changes may be missing.
CREATE UNLOGGED TABLE {schema}.changes (
	xid       xid8 NOT NULL,
	partition text COLLATE "C" NOT NULL
);
CREATE INDEX ON {schema}.changes (xid);
CREATE UNLOGGED TABLE {schema}.epochs (
	epoch uuid PRIMARY KEY, -- one row, or none
	idle  integer NOT NULL  -- how often changes were dropped since somebody asked
) WITH (fillfactor = 50);

-- Where the sweeper is, for all processes.
CREATE TABLE {schema}.sweeps (
	relation text PRIMARY KEY,
	page     bigint NOT NULL, -- the next one; of changes, how often they were dropped
	swept    timestamptz NOT NULL,
	horizon  text, -- of changes: a snapshot; what it sees may be dropped
	server   text  -- of changes: where and since when the snapshot is one
);
INSERT INTO {schema}.sweeps VALUES ('records', 0, now()), ('counters', 0, now()), ('changes', 0, now());

-- commit_1 carries out a store.Commit: it returns false if a condition does not hold. The
-- lock comes first. Every later statement has a snapshot of its own, taken under the lock, if
-- the isolation is read committed.
--
-- Others may have turned synchronous_commit off, or hidden the warning that a wait for a
-- standby was cancelled: for a role, a database or the server, at any time. Both are set
-- right for this transaction.
--
-- Each SET clause of a function takes time at each call, so this one has none, unlike the others. It
-- names the schema of each function, operator and type instead. It reads no table as a whole,
-- whatever the statistics say, and asks for an epoch by the index, since jit is on: see hit_1.
CREATE FUNCTION {schema}.commit_1(
	part text, names text[], conditions smallint[], olds bytea[],
	writes smallint[], contents bytea[], expiries bigint[]
) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
	present pg_catalog.bytea;
	asked   boolean; -- whether somebody asks for changes, as of the last record that was set
	noted   boolean; -- the same, as of any that was deleted
	dropped boolean; -- the same, as of the last one; null if there was none
	ignored pg_catalog.text;
BEGIN
	IF pg_catalog.set_config('lock_timeout', '1s', true) IS NULL -- never; for locks of others too
		OR pg_catalog.current_setting('transaction_isolation') OPERATOR(pg_catalog.<>) 'read committed'
		OR pg_catalog.pg_is_in_recovery()
		OR pg_catalog.current_setting('synchronous_commit') OPERATOR(pg_catalog.=) 'off'
		OR pg_catalog.current_setting('client_min_messages') OPERATOR(pg_catalog.=) 'error'
		OR NOT pg_catalog.pg_try_advisory_xact_lock(pg_catalog.hashtext('{schema}'), pg_catalog.hashtext(part)) THEN
		IF pg_catalog.current_setting('transaction_isolation') OPERATOR(pg_catalog.<>) 'read committed' THEN
			RAISE 'the isolation of transactions must be read committed (default_transaction_isolation)'
				USING ERRCODE = 'object_not_in_prerequisite_state';
		ELSIF pg_catalog.pg_is_in_recovery() THEN -- a Commit that writes nothing would be answered
			RAISE 'the server is a standby, which may not know yet what was revoked' USING ERRCODE = 'read_only_sql_transaction';
		END IF;
		IF pg_catalog.current_setting('synchronous_commit') OPERATOR(pg_catalog.=) 'off' THEN
			PERFORM pg_catalog.set_config('synchronous_commit', 'on', true);
		END IF;
		IF pg_catalog.current_setting('client_min_messages') OPERATOR(pg_catalog.=) 'error' THEN
			PERFORM pg_catalog.set_config('client_min_messages', 'warning', true);
		END IF;
		PERFORM pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtext('{schema}'), pg_catalog.hashtext(part));
	END IF;

	IF conditions IS NOT NULL THEN
		ignored := pg_catalog.set_config('enable_seqscan', 'off', true);
		FOR i IN 1 .. pg_catalog.cardinality(conditions) LOOP
			CONTINUE WHEN conditions[i] OPERATOR(pg_catalog.=) 0;
			SELECT r.value INTO present FROM {schema}.records r
				WHERE r.partition OPERATOR(pg_catalog.=) part AND r.name OPERATOR(pg_catalog.=) names[i];
			IF FOUND OPERATOR(pg_catalog.<>) (conditions[i] OPERATOR(pg_catalog.=) 2)
				OR FOUND AND (present OPERATOR(pg_catalog.=) olds[i]) IS NOT TRUE THEN
				RETURN false;
			END IF;
		END LOOP;
	END IF;
	FOR i IN 1 .. pg_catalog.cardinality(writes) LOOP
		IF writes[i] OPERATOR(pg_catalog.=) 1 THEN
			INSERT INTO {schema}.records AS r
				VALUES (part, names[i], contents[i], CASE WHEN expiries[i] OPERATOR(pg_catalog.<>) 0 THEN expiries[i] END)
				ON CONFLICT (partition, name) DO UPDATE SET value = excluded.value, expires = excluded.expires
				RETURNING EXISTS (SELECT FROM {schema}.epochs e WHERE e.epoch OPERATOR(pg_catalog.>=) '00000000-0000-0000-0000-000000000000') INTO asked;
		ELSIF writes[i] OPERATOR(pg_catalog.=) 2 THEN
			ignored := pg_catalog.set_config('enable_seqscan', 'off', true);
			DELETE FROM {schema}.records r WHERE r.partition OPERATOR(pg_catalog.=) part AND r.name OPERATOR(pg_catalog.=) names[i]
				RETURNING EXISTS (SELECT FROM {schema}.epochs e WHERE e.epoch OPERATOR(pg_catalog.>=) '00000000-0000-0000-0000-000000000000') INTO dropped;
			noted := noted OR dropped;
		END IF;
	END LOOP;
	IF asked OR noted THEN
		INSERT INTO {schema}.changes VALUES (pg_catalog.pg_current_xact_id(), part);
	END IF;
	RETURN true;
END $$;

-- hit_1 carries out store.Hit in microseconds. It returns a state of the counter from which
-- store.Limit.Apply makes the decision. Nobody waits for the disk.
--
-- This function, changes_1 and sweep_1 read no table as a whole where there is an index, whatever the
-- statistics say. Where there is none, the server then takes the plan for an expensive one. It would
-- compile it at each call, for 0.3 s, so jit is off.
CREATE FUNCTION {schema}.hit_1(k text, at bigint, full_at bigint, step bigint) RETURNS bigint LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp SET enable_seqscan = off SET jit = off SET lock_timeout = '1s' AS $$
DECLARE
	state bigint;
BEGIN
	PERFORM set_config('synchronous_commit', 'off', true);
	IF step > 0 THEN
		INSERT INTO {schema}.counters AS c VALUES (k, at + step)
			ON CONFLICT (key) DO UPDATE SET until = greatest(at, least(c.until, full_at)) + step
			WHERE greatest(at, least(c.until, full_at)) + step <= full_at
			RETURNING c.until - step INTO state;
		IF NOT FOUND THEN -- the row is locked, and as it was
			SELECT c.until INTO state FROM {schema}.counters c WHERE c.key = k;
			IF state > full_at THEN -- the clock went back, or the limit was another
				UPDATE {schema}.counters c SET until = full_at WHERE c.key = k;
			END IF;
		END IF;
		RETURN least(state, full_at);
	END IF;
	SELECT greatest(at, least(c.until, full_at)) INTO state FROM {schema}.counters c WHERE c.key = k FOR UPDATE;
	IF NOT FOUND THEN
		RETURN at;
	END IF;
	IF state + step > at THEN
		UPDATE {schema}.counters c SET until = state + step WHERE c.key = k;
	ELSE
		DELETE FROM {schema}.counters c WHERE c.key = k;
	END IF;
	RETURN state;
END $$;

-- epoch_name_1 returns another name after each end of the server, in each copy of a database and in
-- each that a backup was restored into, and once the table of records was made or emptied anew.
-- Nothing is known of changes in between.
CREATE FUNCTION {schema}.epoch_name_1(epoch uuid) RETURNS text LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp AS $$
	SELECT concat_ws(' ', epoch, extract(epoch FROM pg_postmaster_start_time()), '{schema}.records'::regclass::oid,
		pg_relation_filepath('{schema}.records'::regclass))
$$;

-- changes_1 returns the present snapshot, and which partitions were changed by transactions
-- that this snapshot sees and the snapshot before does not. These were running then, or began
-- later. All of it is of one instant. If the number of drops is higher by two than before, changes
-- may have been dropped that the snapshot before does not see.
CREATE FUNCTION {schema}.changes_1(before text, OUT now text, OUT epoch text, OUT idle integer, OUT drops bigint, OUT partitions text[])
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp SET enable_seqscan = off SET jit = off AS $$
	SELECT pg_current_snapshot()::text,
		(SELECT {schema}.epoch_name_1(e.epoch) FROM {schema}.epochs e LIMIT 1),
		(SELECT e.idle FROM {schema}.epochs e LIMIT 1),
		(SELECT w.page FROM {schema}.sweeps w WHERE w.relation = 'changes'),
		CASE WHEN before <> '' THEN
			ARRAY(SELECT c.partition FROM {schema}.changes c WHERE c.xid >= pg_snapshot_xmax(before::pg_snapshot))
			|| ARRAY(SELECT c.partition FROM {schema}.changes c WHERE c.xid = ANY(ARRAY(SELECT pg_snapshot_xip(before::pg_snapshot))))
		END
$$;

-- epoch_1 notes that somebody asks for changes, begins an epoch if there is none, and returns its
-- name. A Commit that holds its lock by then may not know of the epoch: see commits_1.
CREATE FUNCTION {schema}.epoch_1() RETURNS text LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp SET lock_timeout = '1s' AS $$
BEGIN
	PERFORM pg_advisory_xact_lock(hashtextextended('{schema}', 1));
	UPDATE {schema}.epochs SET idle = 0 WHERE idle > 0;
	INSERT INTO {schema}.epochs SELECT gen_random_uuid(), 0 WHERE NOT EXISTS (SELECT FROM {schema}.epochs);
	RETURN (SELECT {schema}.epoch_name_1(e.epoch) FROM {schema}.epochs e);
END $$;

-- commits_1 returns the transactions of Commits that hold their lock.
CREATE FUNCTION {schema}.commits_1() RETURNS text[] LANGUAGE sql
SET search_path = pg_catalog, pg_temp AS $$
	SELECT ARRAY(SELECT l.virtualtransaction FROM pg_locks l WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 2
		AND l.database = (SELECT a.datid FROM pg_stat_get_activity(pg_backend_pid()) a) -- some servers hide pg_database
		AND l.classid::bigint = hashtext('{schema}')::bigint & 4294967295)
$$;

-- sweep_1 drops records and counters that ended ten minutes ago by both clocks, that of the
-- server and now, which is Unix time in milliseconds. A call looks at a range of pages: one in
-- 1800 of the table, and 64 or more. A table has its turn after a second or, with one process, one
-- and a half. Most calls find that another process swept within the last second. Rows that
-- others hold are left for the next time, so nobody waits for another here.
CREATE FUNCTION {schema}.sweep_1(now bigint) RETURNS integer LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp SET enable_seqscan = off SET jit = off SET lock_timeout = '1s' AS $$
DECLARE
	clock timestamptz := clock_timestamp();
	ended bigint := least(now, floor(extract(epoch FROM clock) * 1000)::bigint) - 600000;
	s     {schema}.sweeps;
	here  text;
	pages bigint;
	first tid;
	last  tid;
	swept integer;
BEGIN
	SELECT * INTO s FROM {schema}.sweeps w
		WHERE abs(extract(epoch FROM clock - w.swept)) >= CASE w.relation WHEN 'changes' THEN 10 ELSE 1 END
		ORDER BY w.swept LIMIT 1 FOR UPDATE SKIP LOCKED;
	IF NOT FOUND THEN
		RETURN 0;
	END IF;
	PERFORM set_config('synchronous_commit', 'off', true);
	IF s.relation = 'changes' THEN
		-- A few thousand at a time: a call that takes too long is cancelled, and all of it undone.
		here := {schema}.epoch_name_1(NULL::uuid);
		IF s.server <> here THEN
			-- A backup may have been restored into another server, which numbers transactions in
			-- its own way. All watches begin again.
			DELETE FROM {schema}.epochs;
			DELETE FROM {schema}.changes c WHERE c.ctid = ANY(ARRAY(SELECT e.ctid FROM {schema}.changes e LIMIT 10000));
		ELSE
			-- What a watch has not seen is dropped no sooner than by the second drop from then on.
			DELETE FROM {schema}.changes c WHERE c.ctid = ANY(ARRAY(
				SELECT e.ctid FROM {schema}.changes e WHERE s.horizon <> ''
				AND e.xid < pg_snapshot_xmax(s.horizon::pg_snapshot) AND pg_visible_in_snapshot(e.xid, s.horizon::pg_snapshot)
				LIMIT 10000));
		END IF;
		GET DIAGNOSTICS swept = ROW_COUNT;
		IF swept < 10000 THEN
			s.horizon := pg_current_snapshot()::text;
			s.server := here;
		ELSE
			clock := clock - interval '9.5 s'; -- the rest soon, and records and counters in between
		END IF;
		UPDATE {schema}.sweeps w SET swept = clock, page = w.page + 1, horizon = s.horizon, server = s.server WHERE w.relation = s.relation;
		UPDATE {schema}.epochs e SET idle = e.idle + 1;
		DELETE FROM {schema}.epochs e WHERE e.idle > 10; -- nobody has asked for two minutes
		RETURN swept;
	END IF;
	pages := pg_relation_size(('{schema}.' || s.relation)::regclass) / current_setting('block_size')::bigint;
	first := format('(%s,0)', s.page)::tid;
	s.page := s.page + greatest(64, pages / 1800);
	last := format('(%s,0)', s.page)::tid;
	IF s.relation = 'records' THEN
		WITH dropped AS (DELETE FROM {schema}.records r WHERE r.ctid = ANY(ARRAY(
			SELECT e.ctid FROM {schema}.records e WHERE e.ctid >= first AND e.ctid < last AND e.expires < ended
			FOR UPDATE SKIP LOCKED)) RETURNING r.partition)
		INSERT INTO {schema}.changes SELECT pg_current_xact_id(), d.partition FROM dropped d;
	ELSE
		DELETE FROM {schema}.counters c WHERE c.ctid = ANY(ARRAY(
			SELECT e.ctid FROM {schema}.counters e WHERE e.ctid >= first AND e.ctid < last AND e.until < ended * 1000
			FOR UPDATE SKIP LOCKED));
	END IF;
	GET DIAGNOSTICS swept = ROW_COUNT;
	UPDATE {schema}.sweeps w SET swept = clock, page = CASE WHEN s.page < pages THEN s.page ELSE 0 END WHERE w.relation = s.relation;
	RETURN swept;
END $$;

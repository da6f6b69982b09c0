package quota

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"imreport/internal/db"
)

// store is the gate's memory in the database: the only place with SQL.
// Instants are the database's clock, in microseconds.
type store struct{ d *db.DB }

const saved = `INSERT INTO quota_rate (kind, id, per_s, ref, budget, at_us) VALUES ($1, $2, $3, $4, $5, $6)
	ON CONFLICT (kind, id) DO UPDATE SET per_s = excluded.per_s, ref = excluded.ref, budget = excluded.budget, at_us = excluded.at_us
	WHERE quota_rate.at_us <= excluded.at_us`

// save keeps rates; what another process has kept later stays.
func (st store) save(ctx context.Context, rates []Rate) error {
	if len(rates) == 0 {
		return nil
	}
	rates = slices.Clone(rates) // in one order, against deadlocks
	slices.SortFunc(rates, func(a, b Rate) int { return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.ID, b.ID)) })
	return st.d.InTx(ctx, func(tx *db.Tx) error {
		for _, r := range rates {
			if _, err := tx.Exec(ctx, saved, r.Kind, r.ID, r.PerS, r.Ref, r.Budget, db.US(r.At)); err != nil {
				return fmt.Errorf("keep rate of %s: %w", r.Kind, err)
			}
		}
		return nil
	})
}

// load reads the rates kept since.
func (st store) load(ctx context.Context, since time.Time) ([]Rate, error) {
	all, err := db.All(ctx, st.d, func(r db.Scanner) (v Rate, err error) {
		var at int64
		err = r.Scan(&v.Kind, &v.ID, &v.PerS, &v.Ref, &v.Budget, &at)
		v.At = db.Time(at)
		return v, err
	}, `SELECT kind, id, per_s, ref, budget, at_us FROM quota_rate WHERE at_us > $1`, db.US(since))
	if err != nil {
		return nil, fmt.Errorf("kept rates: %w", err)
	}
	return all, nil
}

// forget drops rates that nobody has kept again for long.
func (st store) forget(ctx context.Context, before time.Time) error {
	_, err := st.d.Exec(ctx, `DELETE FROM quota_rate WHERE at_us < $1`, db.US(before))
	return err
}

// unsynced lets a transaction return before its commit is on the disk: after
// a crash of the server a lease or a slot is lost, which heals in seconds.
func unsynced(ctx context.Context, tx *db.Tx) error {
	_, err := tx.Exec(ctx, `SET LOCAL synchronous_commit = off`)
	return err
}

// peer is a live process.
type peer struct {
	process, address string
	owns             int
}

// holding is a row of quota_owner.
type holding struct {
	Scope
	owner string
	epoch int64
}

// news is what a heartbeat learns.
type news struct {
	mine    []holding
	orphans []Scope // whose owner's lease has run out
	peers   []peer  // this process too
	died    []string
}

// beat renews this process and all that it owns, and looks around.
func (st store) beat(ctx context.Context, process, address string, ttl time.Duration) (n news, err error) {
	err = st.d.InTx(ctx, func(tx *db.Tx) error {
		n = news{}
		if err := unsynced(ctx, tx); err != nil {
			return err
		}
		now, err := st.d.Now(ctx, tx)
		if err != nil {
			return err
		}
		until := db.US(now.Add(ttl))
		if _, err = tx.Exec(ctx, `INSERT INTO quota_process (process, address, until_us) VALUES ($1, $2, $3)
			ON CONFLICT (process) DO UPDATE SET until_us = excluded.until_us, address = excluded.address`, process, address, until); err != nil {
			return err
		}
		n.mine, err = db.All(ctx, tx, func(r db.Scanner) (h holding, err error) {
			h.owner = process
			err = r.Scan(&h.Kind, &h.ID, &h.epoch)
			return h, err
		}, `UPDATE quota_owner SET until_us = $2 WHERE owner = $1 RETURNING kind, id, epoch`, process, until)
		if err != nil {
			return err
		}
		n.orphans, err = db.All(ctx, tx, scanScope, `SELECT kind, id FROM quota_owner WHERE until_us < $1 ORDER BY kind, id`, db.US(now))
		if err != nil {
			return err
		}
		// A process long silent is dead; who removes its row tells of it.
		n.died, err = db.All(ctx, tx, db.Value[string], `DELETE FROM quota_process WHERE until_us < $1 RETURNING process`, db.US(now))
		if err != nil {
			return err
		}
		n.peers, err = db.All(ctx, tx, func(r db.Scanner) (p peer, err error) {
			err = r.Scan(&p.process, &p.address, &p.owns)
			return p, err
		}, `SELECT p.process, p.address, count(o.id) FROM quota_process p
			LEFT JOIN quota_owner o ON o.owner = p.process AND o.until_us >= $1
			WHERE p.until_us >= $1 GROUP BY p.process, p.address ORDER BY count(o.id), p.process`, db.US(now))
		return err
	})
	return n, err
}

func scanScope(r db.Scanner) (s Scope, err error) {
	err = r.Scan(&s.Kind, &s.ID)
	return s, err
}

// take makes process the owner of a scope whose owner's lease has run out;
// false when somebody else was first.
func (st store) take(ctx context.Context, process string, s Scope, ttl time.Duration) (epoch int64, ok bool, err error) {
	err = st.d.InTx(ctx, func(tx *db.Tx) error {
		ok = false
		now, err := st.d.Now(ctx, tx)
		if err != nil {
			return err
		}
		err = tx.QueryRow(ctx, `UPDATE quota_owner SET owner = $3, epoch = epoch + 1, until_us = $4
			WHERE kind = $1 AND id = $2 AND until_us < $5 RETURNING epoch`,
			s.Kind, s.ID, process, db.US(now.Add(ttl)), db.US(now)).Scan(&epoch)
		if errors.Is(err, sql.ErrNoRows) {
			return nil
		}
		ok = err == nil
		return err
	})
	return epoch, ok && err == nil, err
}

// give hands a scope that process owns to another.
func (st store) give(ctx context.Context, process string, s Scope, to string, ttl time.Duration) error {
	return st.d.InTx(ctx, func(tx *db.Tx) error {
		now, err := st.d.Now(ctx, tx)
		if err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `UPDATE quota_owner SET owner = $4, epoch = epoch + 1, until_us = $5
			WHERE kind = $1 AND id = $2 AND owner = $3`, s.Kind, s.ID, process, to, db.US(now.Add(ttl)))
		return err
	})
}

// quit removes a process that stops; what it still owns is free at once.
func (st store) quit(ctx context.Context, process string) error {
	return st.d.InTx(ctx, func(tx *db.Tx) error {
		if _, err := tx.Exec(ctx, `UPDATE quota_owner SET until_us = 0 WHERE owner = $1`, process); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, `DELETE FROM quota_process WHERE process = $1`, process)
		return err
	})
}

// owner is who owns a scope; a scope that nobody owns goes to the process
// with the fewest. Empty when no process lives.
func (st store) owner(ctx context.Context, tx *db.Tx, s Scope, ttl time.Duration) (process string, err error) {
	now, err := st.d.Now(ctx, tx)
	if err != nil {
		return "", err
	}
	err = tx.QueryRow(ctx, `SELECT owner FROM quota_owner WHERE kind = $1 AND id = $2 AND until_us >= $3`, s.Kind, s.ID, db.US(now)).Scan(&process)
	if err == nil || !errors.Is(err, sql.ErrNoRows) {
		return process, err
	}
	// The new owner hears of it with its next heartbeat, which renews it. It
	// takes the row as it is when another transaction was first.
	err = tx.QueryRow(ctx, `INSERT INTO quota_owner (kind, id, owner, epoch, until_us, used_us)
		SELECT $1, $2, p.process, 1, $4, $3 FROM quota_process p
			LEFT JOIN quota_owner o ON o.owner = p.process AND o.until_us >= $3
			WHERE p.until_us >= $3 GROUP BY p.process ORDER BY count(o.id), p.process LIMIT 1
		ON CONFLICT (kind, id) DO UPDATE SET
			owner = CASE WHEN quota_owner.until_us < $3 THEN excluded.owner ELSE quota_owner.owner END,
			epoch = CASE WHEN quota_owner.until_us < $3 THEN quota_owner.epoch + 1 ELSE quota_owner.epoch END,
			until_us = CASE WHEN quota_owner.until_us < $3 THEN excluded.until_us ELSE quota_owner.until_us END,
			used_us = excluded.used_us
		RETURNING owner`, s.Kind, s.ID, db.US(now), db.US(now.Add(ttl))).Scan(&process)
	if errors.Is(err, sql.ErrNoRows) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("owner of a %s: %w", s.Kind, err)
	}
	return process, nil
}

// touch notes that scopes are in use, and drops those of process that were
// not for long.
func (st store) touch(ctx context.Context, process string, used []Scope, idle time.Duration) error {
	return st.d.InTx(ctx, func(tx *db.Tx) error {
		now, err := st.d.Now(ctx, tx)
		if err != nil {
			return err
		}
		for _, s := range used {
			if _, err := tx.Exec(ctx, `UPDATE quota_owner SET used_us = $4 WHERE kind = $1 AND id = $2 AND owner = $3`,
				s.Kind, s.ID, process, db.US(now)); err != nil {
				return err
			}
		}
		_, err = tx.Exec(ctx, `DELETE FROM quota_owner WHERE owner = $1 AND used_us < $2`, process, db.US(now.Add(-idle)))
		return err
	})
}

// reach is that a licence's calls count in a scope inside it.
type reach struct {
	Scope
	licence string
}

// reached notes which licences reach which customers.
func (st store) reached(ctx context.Context, all []reach) error {
	if len(all) == 0 {
		return nil
	}
	return st.d.InTx(ctx, func(tx *db.Tx) error {
		if err := unsynced(ctx, tx); err != nil {
			return err
		}
		now, err := st.d.Now(ctx, tx)
		if err != nil {
			return err
		}
		for _, r := range all {
			if _, err := tx.Exec(ctx, `INSERT INTO quota_reach (kind, id, licence, at_us) VALUES ($1, $2, $3, $4)
				ON CONFLICT (kind, id, licence) DO UPDATE SET at_us = excluded.at_us`, r.Kind, r.ID, r.licence, db.US(now)); err != nil {
				return err
			}
		}
		return nil
	})
}

// crossing lists the customers' scopes that licences of different owners
// reached within the time given.
func (st store) crossing(ctx context.Context, within time.Duration) ([]Scope, error) {
	now, err := st.d.Now(ctx, st.d)
	if err != nil {
		return nil, err
	}
	return db.All(ctx, st.d, scanScope, `SELECT r.kind, r.id FROM quota_reach r
		JOIN quota_owner o ON o.kind = $1 AND o.id = r.licence AND o.until_us >= $2
		WHERE r.at_us > $3 GROUP BY r.kind, r.id HAVING count(DISTINCT o.owner) > 1`,
		Licence, db.US(now), db.US(now.Add(-within)))
}

// reserve takes slots of a shared scope and tells of refusals. The first slot
// comes back as a delay from now.
func (st store) reserve(ctx context.Context, w sharedWant, n int) (first time.Duration, every float64, err error) {
	err = st.d.InTx(ctx, func(tx *db.Tx) error {
		if err := unsynced(ctx, tx); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `INSERT INTO quota_slot (kind, id, next_us, per_s, quiet_us, grown_us)
			VALUES ($1, $2, 0, $3, 0, 0) ON CONFLICT (kind, id) DO NOTHING`, w.Kind, w.ID, w.Rate); err != nil {
			return err
		}
		var r slotRow
		err := tx.QueryRow(ctx, `SELECT next_us, per_s, quiet_us, grown_us FROM quota_slot
			WHERE kind = $1 AND id = $2 FOR UPDATE`, w.Kind, w.ID).Scan(&r.next, &r.perS, &r.quiet, &r.grown)
		if err != nil {
			return err
		}
		now, err := st.d.Now(ctx, tx) // after the lock was given
		if err != nil {
			return err
		}
		us := db.US(now)
		at := r.reserve(us, n, w)
		first, every = time.Duration(at-us)*time.Microsecond, 1/r.perS
		_, err = tx.Exec(ctx, `UPDATE quota_slot SET next_us = $3, per_s = $4, quiet_us = $5, grown_us = $6
			WHERE kind = $1 AND id = $2`, w.Kind, w.ID, r.next, r.perS, r.quiet, r.grown)
		return err
	})
	if err != nil {
		err = fmt.Errorf("reserve slots of a %s: %w", w.Kind, err)
	}
	return first, every, err
}

// tell publishes how licences stand.
func (st store) tell(ctx context.Context, docs map[string]string) error {
	if len(docs) == 0 {
		return nil
	}
	return st.d.InTx(ctx, func(tx *db.Tx) error {
		if err := unsynced(ctx, tx); err != nil {
			return err
		}
		now, err := st.d.Now(ctx, tx)
		if err != nil {
			return err
		}
		for _, l := range slices.Sorted(maps.Keys(docs)) { // in one order, against deadlocks
			if _, err := tx.Exec(ctx, `INSERT INTO quota_usage (licence, doc, at_us) VALUES ($1, $2, $3)
				ON CONFLICT (licence) DO UPDATE SET doc = excluded.doc, at_us = excluded.at_us`, l, docs[l], db.US(now)); err != nil {
				return fmt.Errorf("publish usage: %w", err)
			}
		}
		return nil
	})
}

// told is what the owner of a licence last told of it.
func (st store) told(ctx context.Context, licence string) (doc string, at time.Time, err error) {
	var us int64
	err = st.d.QueryRow(ctx, `SELECT doc, at_us FROM quota_usage WHERE licence = $1`, licence).Scan(&doc, &us)
	if errors.Is(err, sql.ErrNoRows) {
		return "", at, nil
	}
	if err != nil {
		return "", at, fmt.Errorf("usage: %w", err)
	}
	return doc, db.Time(us), nil
}

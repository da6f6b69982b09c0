package naver

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"imreport/internal/db"
	"imreport/internal/table"
)

// piece is what is collected, stored and resumed: a customer's report of a day.
type piece struct {
	customer string
	report   string
	day      table.Day
}

func (p piece) String() string { return p.customer + " " + p.report + " " + p.day.String() }

// fetch is a piece on its way.
type fetch struct {
	job   int64     // 0: none, or asked for without having seen the answer
	jobs  int       // made for it so far
	asked time.Time // zero: no job is asked for
}

// store keeps what must survive a crash.
type store struct{ d *db.DB }

// claim takes the fetch of a piece, as it stands: what another has begun is
// gone on with. mine is false while another process is at it. A run may take
// what its own earlier attempt has left at once, and others when the lease has
// ended.
func (s store) claim(ctx context.Context, p piece, runID, owner string, now, until time.Time) (f fetch, mine bool, err error) {
	var asked int64
	err = s.d.InTx(ctx, func(tx *db.Tx) error {
		return tx.QueryRow(ctx, `INSERT INTO naver_fetch (customer_id, report, day, job_id, jobs, asked_us, run_id, owner, until_us)
		VALUES ($1, $2, $3, 0, 0, 0, $4, $5, $6)
		ON CONFLICT (customer_id, report, day) DO UPDATE
			SET run_id = excluded.run_id, owner = excluded.owner, until_us = excluded.until_us
			WHERE naver_fetch.until_us < $7 OR naver_fetch.owner = excluded.owner OR naver_fetch.run_id = excluded.run_id AND excluded.run_id <> ''
		RETURNING job_id, jobs, asked_us`,
			p.customer, p.report, int64(p.day), runID, owner, db.US(until), db.US(now)).Scan(&f.job, &f.jobs, &asked)
	})
	f.asked = db.Time(asked)
	if errors.Is(err, sql.ErrNoRows) {
		return f, false, nil
	}
	if err != nil {
		return f, false, fmt.Errorf("claim the fetch of %s: %w", p, err)
	}
	return f, true, nil
}

// renew keeps all fetches of a process.
func (s store) renew(ctx context.Context, owner string, now, until time.Time) error {
	_, err := s.d.Exec(ctx, `UPDATE naver_fetch SET until_us = $2 WHERE owner = $1 AND until_us >= $3`, owner, db.US(until), db.US(now))
	if err != nil {
		return fmt.Errorf("keep the fetches of %s: %w", owner, err)
	}
	return nil
}

// release lets others go on with a fetch that has not ended. One for which
// nothing was asked is forgotten.
func (s store) release(ctx context.Context, p piece, owner string) error {
	err := s.d.InTx(ctx, func(tx *db.Tx) error {
		_, err := tx.Exec(ctx, `DELETE FROM naver_fetch WHERE customer_id = $1 AND report = $2 AND day = $3 AND owner = $4 AND jobs = 0 AND asked_us = 0`,
			p.customer, p.report, int64(p.day), owner)
		if err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `UPDATE naver_fetch SET until_us = 0 WHERE customer_id = $1 AND report = $2 AND day = $3 AND owner = $4`,
			p.customer, p.report, int64(p.day), owner)
		return err
	})
	if err != nil {
		return fmt.Errorf("release the fetch of %s: %w", p, err)
	}
	return nil
}

// ask notes that a job for the piece is about to be asked for: should the
// answer be lost, the job is looked for instead of made twice.
func (s store) ask(ctx context.Context, p piece, now time.Time) error {
	_, err := s.d.Exec(ctx, `UPDATE naver_fetch SET job_id = 0, asked_us = $4 WHERE customer_id = $1 AND report = $2 AND day = $3`,
		p.customer, p.report, int64(p.day), db.US(now))
	if err != nil {
		return fmt.Errorf("note the request for %s: %w", p, err)
	}
	return nil
}

// made notes the job that Naver makes for the piece.
func (s store) made(ctx context.Context, p piece, job int64, at time.Time) error {
	err := s.d.InTx(ctx, func(tx *db.Tx) error {
		_, err := tx.Exec(ctx, `UPDATE naver_fetch SET job_id = $4, jobs = jobs + 1, asked_us = $5
			WHERE customer_id = $1 AND report = $2 AND day = $3`, p.customer, p.report, int64(p.day), job, db.US(at))
		if err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `INSERT INTO naver_job (customer_id, job_id, report, day, made_us, current)
			VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (customer_id, job_id) DO NOTHING`,
			p.customer, job, p.report, int64(p.day), db.US(at), false)
		return err
	})
	if err != nil {
		return fmt.Errorf("note the job %d of %s: %w", job, p, err)
	}
	return nil
}

// drop gives up the job that a fetch waits for; the next one is made anew.
func (s store) drop(ctx context.Context, p piece) error {
	_, err := s.d.Exec(ctx, `UPDATE naver_fetch SET job_id = 0, asked_us = 0 WHERE customer_id = $1 AND report = $2 AND day = $3`,
		p.customer, p.report, int64(p.day))
	if err != nil {
		return fmt.Errorf("drop the job of %s: %w", p, err)
	}
	return nil
}

// arrived ends the fetch: the piece is stored and came from the job, or, with
// job 0, from none. keep says whether the job stays at Naver, to be watched for CHANGED.
func arrived(ctx context.Context, tx *db.Tx, p piece, job int64, keep bool) error {
	if _, err := tx.Exec(ctx, `DELETE FROM naver_fetch WHERE customer_id = $1 AND report = $2 AND day = $3`, p.customer, p.report, int64(p.day)); err != nil {
		return fmt.Errorf("end the fetch of %s: %w", p, err)
	}
	if job == 0 {
		return nil
	}
	_, err := tx.Exec(ctx, `UPDATE naver_job SET current = NOT current WHERE customer_id = $1 AND report = $2 AND day = $3 AND current`,
		p.customer, p.report, int64(p.day))
	if err != nil {
		return fmt.Errorf("end the fetch of %s: %w", p, err)
	}
	_, err = tx.Exec(ctx, `UPDATE naver_job SET current = $3 WHERE customer_id = $1 AND job_id = $2`, p.customer, job, keep)
	if err != nil {
		return fmt.Errorf("note the source of %s: %w", p, err)
	}
	return nil
}

// odd keeps the lines that were no rows, in place of those of an earlier fetch.
func odd(ctx context.Context, tx *db.Tx, p piece, lines []oddRow) error {
	_, err := tx.Exec(ctx, `DELETE FROM naver_odd_line WHERE customer_id = $1 AND report = $2 AND day = $3`, p.customer, p.report, int64(p.day))
	for i := 0; err == nil && i < len(lines); i++ {
		_, err = tx.Exec(ctx, `INSERT INTO naver_odd_line (customer_id, report, day, line, why, content) VALUES ($1, $2, $3, $4, $5, $6)`,
			p.customer, p.report, int64(p.day), lines[i].Line, lines[i].Why, storable(lines[i].Text))
	}
	if err != nil {
		return fmt.Errorf("keep odd lines of %s: %w", p, err)
	}
	return nil
}

// storable is s without NUL, which PostgreSQL does not take.
func storable(s string) string {
	b := []byte(s)
	for i := range b {
		if b[i] == 0 {
			b[i] = ' '
		}
	}
	return string(b)
}

// known is a job that we made.
type known struct {
	id      int64
	piece   piece
	made    time.Time
	current bool
	waited  bool // a fetch waits for it
}

// known are the jobs of a customer that we made, newest days first.
func (s store) known(ctx context.Context, customer string) ([]known, error) {
	all, err := db.All(ctx, s.d, func(row db.Scanner) (k known, err error) {
		var day, made int64
		err = row.Scan(&k.id, &k.piece.report, &day, &made, &k.current, &k.waited)
		k.piece.customer, k.piece.day, k.made = customer, table.Day(day), db.Time(made)
		return k, err
	}, `SELECT j.job_id, j.report, j.day, j.made_us, j.current,
			EXISTS (SELECT 1 FROM naver_fetch f WHERE f.customer_id = j.customer_id AND f.job_id = j.job_id)
		FROM naver_job j WHERE j.customer_id = $1 ORDER BY j.day DESC, j.job_id DESC`, customer)
	if err != nil {
		return nil, fmt.Errorf("jobs of customer %s: %w", customer, err)
	}
	return all, nil
}

// forget notes that a job is gone at Naver.
func (s store) forget(ctx context.Context, customer string, ids ...int64) error {
	for _, id := range ids {
		if _, err := s.d.Exec(ctx, `DELETE FROM naver_job WHERE customer_id = $1 AND job_id = $2`, customer, id); err != nil {
			return fmt.Errorf("forget job %d: %w", id, err)
		}
	}
	return nil
}

// madeMaster notes a list of entities that is to be deleted after use.
func (s store) madeMaster(ctx context.Context, customer, id string, at time.Time) error {
	_, err := s.d.Exec(ctx, `INSERT INTO naver_master (customer_id, master_id, made_us) VALUES ($1, $2, $3)
		ON CONFLICT (customer_id, master_id) DO NOTHING`, customer, id, db.US(at))
	if err != nil {
		return fmt.Errorf("note the list %s: %w", id, err)
	}
	return nil
}

// masters are the lists that were not deleted and were made before the instant.
func (s store) masters(ctx context.Context, customer string, before time.Time) ([]string, error) {
	all, err := db.All(ctx, s.d, db.Value[string], `SELECT master_id FROM naver_master WHERE customer_id = $1 AND made_us < $2 ORDER BY made_us`,
		customer, db.US(before))
	if err != nil {
		return nil, fmt.Errorf("lists of customer %s: %w", customer, err)
	}
	return all, nil
}

func (s store) forgetMaster(ctx context.Context, customer, id string) error {
	_, err := s.d.Exec(ctx, `DELETE FROM naver_master WHERE customer_id = $1 AND master_id = $2`, customer, id)
	if err != nil {
		return fmt.Errorf("forget list %s: %w", id, err)
	}
	return nil
}

// forcedSince is when a run that must fetch everything again first began.
func (s store) forcedSince(ctx context.Context, runID string, now time.Time) (time.Time, error) {
	var began int64
	err := s.d.InTx(ctx, func(tx *db.Tx) error {
		if _, err := tx.Exec(ctx, `DELETE FROM naver_forced WHERE began_us < $1`, db.US(now.AddDate(0, 0, -30))); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, `INSERT INTO naver_forced (run_id, began_us) VALUES ($1, $2) ON CONFLICT (run_id) DO NOTHING`, runID, db.US(now))
		if err != nil {
			return err
		}
		return tx.QueryRow(ctx, `SELECT began_us FROM naver_forced WHERE run_id = $1`, runID).Scan(&began)
	})
	if err != nil {
		return time.Time{}, fmt.Errorf("begin of run %s: %w", runID, err)
	}
	return db.Time(began), nil
}

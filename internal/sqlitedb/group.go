package sqlitedb

import (
	"context"
	"slices"
	"time"
)

// groupTime is how long a transaction takes up others before it is committed: other processes wait for the lock.
const groupTime = 10 * time.Millisecond

// group is a transaction that goes from one goroutine to the next that waits for its turn, each of which runs its own
// function in it; the last one commits for all. Of what a small transaction costs, most is its beginning and its end. Nobody is told
// an outcome, not even that of a refusal, before the commit: a refusal may rest on what another one in the group has written.
//
// Who has the turn has the group, alone.
type group struct {
	tx     Tx
	began  time.Time
	joined int           // functions that are in it and will be committed
	broken bool          // it cannot be committed any more
	done   chan struct{} // closed at its end; what follows is written before
	err    error         // of the commit
}

// turn waits until this goroutine may write: in the group that it is given, or, where that is nil, in a new one.
func (db *DB) turn(ctx context.Context) (*group, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	db.mu.Lock()
	if !db.writing {
		db.writing = true
		db.mu.Unlock()
		return nil, nil
	}
	mine := make(chan *group, 1)
	db.waiting = append(db.waiting, mine)
	db.mu.Unlock()
	select {
	case g := <-mine:
		return g, nil
	case <-ctx.Done():
	}
	db.mu.Lock()
	i := slices.Index(db.waiting, mine)
	if i >= 0 {
		db.waiting = slices.Delete(db.waiting, i, i+1)
	}
	db.mu.Unlock()
	if i >= 0 {
		return nil, ctx.Err()
	}
	return <-mine, nil // it has been given the turn, and must pass it on
}

// next gives the turn to who has waited longest, and reports whether there is one. Without a group there need be none.
func (db *DB) next(g *group) bool {
	db.mu.Lock()
	defer db.mu.Unlock()
	if len(db.waiting) == 0 {
		db.writing = g != nil // who has a group goes on with it
		return false
	}
	first := db.waiting[0]
	db.waiting = slices.Delete(db.waiting, 0, 1)
	first <- g
	return true
}

// take runs f in the group and waits for the group's end; again says that f must be run once more, because another one has
// broken the group.
func (db *DB) take(ctx context.Context, g *group, f func(*Tx) error) (again bool, err error) {
	broke := false
	func() {
		defer func() { // f may have panicked, or ended its goroutine
			broke = g.broken
			db.pass(g)
		}()
		err = g.run(ctx, f)
	}()
	switch {
	case broke:
		return false, err
	case g.broken:
		return true, nil
	case g.err != nil:
		return false, g.err
	}
	return false, err
}

// run runs f. What it wrote is taken back where it fails.
func (g *group) run(ctx context.Context, f func(*Tx) error) (err error) {
	if err := ctx.Err(); err != nil {
		return err
	}
	if g.joined > 0 {
		if err := g.exec("SAVEPOINT one"); err != nil {
			return err
		}
	}
	stays := false
	defer func() {
		switch {
		case !stays && g.joined == 0:
			g.broken = true
		case !stays:
			if g.exec("ROLLBACK TO one") == nil {
				_ = g.exec("RELEASE one")
			}
		case g.joined == 0:
			g.joined++
		default:
			if err = g.exec("RELEASE one"); err == nil {
				g.joined++
			}
		}
	}()
	if err = f(&g.tx); err == nil {
		err = ctx.Err()
	}
	stays = err == nil
	return err
}

// exec runs a statement of the group itself; one that fails breaks it: SQLite rolls a whole transaction back by itself
// where the disk is full or broken.
func (g *group) exec(text string) error {
	_, err := g.tx.conn.ExecContext(context.Background(), text)
	g.broken = g.broken || err != nil
	return err
}

// pass lets the next goroutine go on with the group, and waits for its end; or ends it.
func (db *DB) pass(g *group) {
	if !g.broken && time.Since(g.began) < db.groupTime && db.next(g) {
		<-g.done
		return
	}
	if !g.broken {
		_, g.err = g.tx.conn.ExecContext(context.Background(), "COMMIT")
	}
	if g.broken || g.err != nil {
		_, _ = g.tx.conn.ExecContext(context.Background(), "ROLLBACK") // SQLite may have done it
	}
	_ = g.tx.conn.Close()
	close(g.done)
	db.next(nil)
}

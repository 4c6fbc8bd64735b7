package worker

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/seed-56345083/reprise/internal/ledger"
	"github.com/seed-56345083/reprise/internal/stats"
)

// rowsPerPut bounds the rows that a fold holds twice, as a table and as rows to put. It is what the ledgers write well at
// once: a transaction of SQLite, 80 batches of DynamoDB.
const rowsPerPut = 2000

// fewRows is how many rows a pass may have whatever their size.
const fewRows = 1000

// errTooManyRows says that a part's rows outgrew the memory of one pass.
var errTooManyRows = errors.New("rows outgrow the memory")

// fold turns the partials of one protocol into the rows whose hash falls to this part, and puts them under the fold's
// base. It may be done twice, or twice at once: the rows are the same, and readers see them only when the watcher
// has compared the receipts of all parts.
func (j *job) fold(ctx context.Context, part ledger.ReplayProtocol, program *stats.Program) error {
	number, index, err := ledger.ParseFoldKey(j.task.Key)
	if err != nil {
		return fmt.Errorf("%w: %w", errGone, err)
	}
	if j.replay.Fold.Number < number { // the record in the cache is older than the message
		if j.replay, err = j.w.replays.get(ctx, j.task.Replay, true); err != nil {
			return err
		}
	}
	if j.replay.Fold.Number != number || index >= len(j.replay.Fold.Parts) {
		return fmt.Errorf("%w: %s", errOldFold, j.task.Key)
	}
	f := &fold{
		job: j, part: j.replay.Fold.Parts[index], sum: program.NewPartial(), passes: 1, renewed: time.Now(),
		to: ledger.Part{Protocol: part.Name, Generation: part.Generation, Name: ledger.BasePart(number, index)},
	}
	receipt, err := f.run(ctx)
	if errors.Is(err, errOpenCursor) {
		// A fold that was given up for the open object is followed by another one: its message must not go round and keep
		// the queue from being empty, by which lost messages are found.
		if r, e := j.w.replays.get(ctx, j.task.Replay, true); e == nil && r.State != ledger.Folding {
			err = fmt.Errorf("%w: %s is %s again: %w", errOldFold, r.ID, r.State, err)
		}
	}
	if err != nil {
		return fmt.Errorf("folding %s of %s: %w", j.task.Key, part.Name, err)
	}
	last, cancel := j.w.lastWrites(ctx)
	defer cancel()
	return j.w.commit(last, ledger.Commit{
		ID: j.id(), Epoch: j.cursor.Epoch, State: ledger.Finished, Receipt: receipt, Now: time.Now(),
	})
}

// foldHold is how long the message of a part waits, for each receive, in a slot of a process that is folding another
// part. A free worker elsewhere soon gets it, and where there is none it does not go round and round.
const foldHold = time.Second

// aloneFolding waits until no other fold is in work in this process: the parts of a fold come all at once, and side by side
// they would take their memory as often as there are slots. It would not make them faster: each reads the same partials,
// and what takes its time is the ledger, where they wait for each other. The cursor is not claimed yet, so the wait
// is no attempt and keeps nobody away. Without an error the caller calls done; errFoldHere gives the message back.
func (j *job) aloneFolding(ctx context.Context) (done func(), err error) {
	hold := time.NewTimer(foldHold * time.Duration(max(j.message.Receives, 1)))
	defer hold.Stop()
	select {
	case j.w.folds <- struct{}{}:
	case <-hold.C:
		return nil, errFoldHere
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	done = func() { <-j.w.folds }
	if j.w.stopping.Load() {
		done()
		return nil, errStopped
	}
	return done, nil
}

// fold is one part of a fold in work.
type fold struct {
	*job
	part    ledger.FoldPart
	to      ledger.Part
	sum     *stats.Partial
	passes  int       // how often the partials are read, each time for a share of the part's rows
	full    bool      // the rows of this pass have outgrown the memory
	renewed time.Time // when the claim was made, or made longer
}

// run makes as many passes as the memory asks for. The number of parts rests on an estimate; where that was too low,
// a part is done in more passes rather than in more memory.
func (f *fold) run(ctx context.Context) (ledger.Receipt, error) {
	for {
		var receipt ledger.Receipt
		var rows int64
		var err error
		for pass := 0; pass < f.passes && err == nil; pass++ {
			before := receipt
			receipt, err = f.merge(ctx, pass)
			if pass > 0 { // an object that was finished between two passes is in the rows of the later one alone
				receipt.Held = min(receipt.Held, before.Held)
			}
			if err == nil {
				rows += int64(f.sum.Len())
				err = f.put(ctx)
			}
		}
		receipt.Rows = rows
		if !errors.Is(err, errTooManyRows) {
			return receipt, err
		}
		f.passes *= 2
	}
}

// merge reads all partials of the protocol and keeps the rows of this part and pass. An object that is neither
// finished nor left out by somebody's word stops it. One whose partials do not hold as many lines as its cursor has counted
// does not: the receipt says so, and nothing is promoted by it.
func (f *fold) merge(ctx context.Context, pass int) (r ledger.Receipt, err error) {
	f.sum = f.sum.Program().NewPartial() // not Reset: the memory that it keeps would count against the next pass
	f.full = false
	asked := 0
	keep := func(hash uint64) bool {
		// One blob may hold far more rows than there is memory for, so mergeBlob alone would see it too late.
		if asked++; asked%rowsPerPut == 0 {
			f.full = f.full || f.outgrown()
		}
		return !f.full && hash%uint64(f.part.Of) == uint64(f.part.Index) && hash/uint64(f.part.Of)%uint64(f.passes) == uint64(pass)
	}
	cursors := f.w.o.Ledger.Scan(ctx, ledger.ScanParams{Replay: f.task.Replay, Protocol: f.part.Protocol, Partials: true})
	for c, err := range cursors {
		switch {
		case err != nil:
			return r, err
		case c.State == ledger.Failed && f.replay.Accepted != nil, c.State != ledger.Finished && f.replay.Fold.Interim:
			continue
		case c.State != ledger.Finished:
			return r, fmt.Errorf("%w: %s is %s", errOpenCursor, c.Key, c.State)
		}
		before := f.sum.Lines()
		if err := f.mergeCursor(ctx, c, keep); err != nil {
			return r, fmt.Errorf("merging %s: %w", c.Key, err)
		}
		if f.sum.Lines()-before != c.Counted && r.Unlike == "" {
			r.Unlike = c.Key
		}
		r.Objects++
		r.Lines += c.Counted
		if err := f.look(ctx); err != nil {
			return r, err
		}
	}
	r.Held = f.sum.Lines()
	return r, nil
}

func (f *fold) mergeCursor(ctx context.Context, c ledger.Cursor, keep func(uint64) bool) error {
	for _, s := range c.Segments {
		blob, err := f.w.o.Ledger.Segment(ctx, c.CursorID, s)
		if err != nil {
			return err
		}
		if err := f.mergeBlob(blob, keep); err != nil {
			return err
		}
		if err := f.look(ctx); err != nil { // a large object alone may outlast the claim
			return err
		}
	}
	if len(c.Partial) == 0 {
		return nil
	}
	return f.mergeBlob(c.Partial, keep)
}

func (f *fold) mergeBlob(blob []byte, keep func(uint64) bool) error {
	if err := f.sum.MergeBlob(blob, keep); err != nil {
		return err
	}
	if f.full || f.outgrown() {
		return errTooManyRows
	}
	return nil
}

// outgrown reports whether the pass has too many rows. The size has what it takes to decode a blob in it, which more
// passes do not make less: with few rows left they are not what is large, and halving them again would never end.
func (f *fold) outgrown() bool {
	return f.sum.Size() > f.w.o.Memory && f.sum.Len() > fewRows
}

// look ends the fold when the worker stops, and keeps the cursor ours while it goes on.
func (f *fold) look(ctx context.Context) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if f.w.stopping.Load() {
		return errStopped
	}
	if err := f.mayGoOn(ctx); err != nil {
		return err
	}
	now := time.Now()
	if now.Sub(f.renewed) < f.ownership()/3 {
		return nil
	}
	f.renewed = now
	ctx, cancel := f.w.lastWrites(ctx)
	defer cancel()
	return f.w.commit(ctx, ledger.Commit{
		ID: f.id(), Epoch: f.cursor.Epoch, State: ledger.Processing, Now: now, Until: now.Add(f.ownership()),
	})
}

// put writes the rows that are in memory.
func (f *fold) put(ctx context.Context) error {
	var rows tableRows
	for r := range f.sum.TableRows() {
		rows.add(r)
		if len(rows.rows) < rowsPerPut {
			continue
		}
		if err := f.w.o.Ledger.PutRows(ctx, f.to, rows.take()); err != nil {
			return err
		}
		if err := f.look(ctx); err != nil {
			return err
		}
	}
	if len(rows.rows) == 0 {
		return nil
	}
	return f.w.o.Ledger.PutRows(ctx, f.to, rows.take())
}

// tableRows collects rows to put. Their keys are in one piece of memory, all else in another, which is used again after
// each take.
type tableRows struct {
	rows []ledger.Row
	ends [][4]int // where the row's key ends in keys, and its dimensions, measures and state in rest
	keys []byte
	rest []byte
}

func (t *tableRows) add(r stats.TableRow) {
	t.rows = append(t.rows, ledger.Row{Statistic: r.Statistic, Day: r.Day})
	t.keys = append(t.keys, r.Key...)
	ends := [4]int{len(t.keys)}
	for i, b := range [...][]byte{r.Dims, r.Measures, r.State} {
		t.rest = append(t.rest, b...)
		ends[1+i] = len(t.rest)
	}
	t.ends = append(t.ends, ends)
}

// take gives what was added. It is valid until the next add.
func (t *tableRows) take() []ledger.Row {
	keys := string(t.keys)
	var before [4]int
	for i, e := range t.ends {
		r := &t.rows[i]
		r.Key = keys[before[0]:e[0]]
		r.Dims, r.Measures, r.State = t.rest[before[3]:e[1]:e[1]], t.rest[e[1]:e[2]:e[2]], t.rest[e[2]:e[3]:e[3]]
		before = e
	}
	rows := t.rows
	t.rows, t.ends, t.keys, t.rest = t.rows[:0], t.ends[:0], t.keys[:0], t.rest[:0]
	return rows
}

package app

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/seed-56345083/reprise/internal/entries"
	"github.com/seed-56345083/reprise/internal/stats"
)

// Limits of an ingestion.
const (
	ingestBytes = 4 << 20     // of the lines of one batch, about
	ingestIdle  = time.Second // after which a batch is put though more may come, for input that trickles
	ingestTries = 6           // of one batch
	ingestPause = 200 * time.Millisecond
)

// Ingested is what became of the lines of an input.
type Ingested struct {
	Lines   int64 `json:"lines"`   // dealt with: all up to this number, from 1
	Put     int64 `json:"put"`     // that are in the incoming table now
	Refused int64 `json:"refused"` // that are no record of the protocol, or too long
	Blank   int64 `json:"blank"`   // blank lines, headers and comments
	Bytes   int64 `json:"bytes"`   // of the lines put, without newlines
}

// Refused is a line that was not put, and why.
type Refused struct {
	Number int64 // from 1
	Why    string
}

// IngestParams say what is put.
type IngestParams struct {
	Protocol string
	Input    io.Reader
	Refused  func(Refused)  // called for each, in order
	Progress func(Ingested) // called after each batch; may be nil
}

// Ingest puts the lines of an input into the incoming table, each as an entry with an id of its own, until the input ends.
// A line that the protocol would reject is not put. Lines come in batches; one whose put failed is tried again under the
// same ids, so that nothing is put twice within a call; another call with the same lines puts them again. When it fails,
// Ingested.Lines tells from which line on nothing was put. It returns when ctx ends, though the input may still be blocked in a
// Read: the caller ends or closes it. ErrUsage: no live side, or no such protocol.
func (a *App) Ingest(ctx context.Context, p IngestParams) (Ingested, error) {
	if err := a.needLive("reprise ingest puts lines into the incoming table, where the live side counts them"); err != nil {
		return Ingested{}, err
	}
	if _, ok := a.config.Protocol[p.Protocol]; !ok {
		return Ingested{}, a.unknownProtocol(p.Protocol)
	}
	program, err := stats.Compile(a.config.Definition(p.Protocol))
	if err != nil {
		return Ingested{}, err
	}
	return ingest(ctx, a.entries, program, p)
}

func ingest(ctx context.Context, to entries.Intake, program *stats.Program, p IngestParams) (Ingested, error) {
	// A rule under which no line counts: what would count is after the cutoff, and the partial stays empty.
	tally, err := program.NewTally(stats.Rule{Cutoff: math.MinInt64})
	if err != nil {
		return Ingested{}, err
	}
	i := &ingestion{IngestParams: p, to: to, tally: tally}
	reading, stop := context.WithCancel(ctx)
	defer stop()
	lines := make(chan inputLine, 64)
	failed := make(chan error, 1)
	go func() { failed <- readLines(reading, p.Input, lines) }()
	idle := time.NewTimer(ingestIdle)
	defer idle.Stop()
	for {
		select {
		case <-ctx.Done():
			return i.done, i.stopped(ctx.Err())
		case <-idle.C:
			err = i.put(ctx)
		case line, more := <-lines:
			if !more {
				return i.done, errors.Join(i.put(ctx), <-failed)
			}
			idle.Reset(ingestIdle)
			err = i.take(ctx, line)
		}
		if err != nil {
			return i.done, err
		}
	}
}

// ingestion is one call of ingest.
type ingestion struct {
	IngestParams
	to    entries.Intake
	tally *stats.Tally
	batch []entries.Entry
	bytes int64    // of the batch's lines
	taken Ingested // with the batch
	done  Ingested // as far as it is in the table
}

// take looks at a line, and puts the batch when it is full.
func (i *ingestion) take(ctx context.Context, line inputLine) error {
	number := i.taken.Lines
	i.taken.Lines++
	why, blank := i.refuse(number, line)
	switch {
	case why != "":
		i.taken.Refused++
		i.Refused(Refused{Number: number + 1, Why: why})
	case blank:
		i.taken.Blank++
	default:
		i.batch = append(i.batch, entries.Entry{ID: ulid.Make().String(), Protocol: i.Protocol, TS: time.Now().UTC(), Line: line.text})
		i.bytes += int64(len(line.text))
		i.taken.Put++
		i.taken.Bytes += int64(len(line.text))
	}
	if len(i.batch) == entries.MaxPut || i.bytes >= ingestBytes {
		return i.put(ctx)
	}
	return nil
}

// refuse says why a line is none of the protocol's.
func (i *ingestion) refuse(number int64, line inputLine) (why string, blank bool) {
	if line.long {
		return fmt.Sprintf("it is longer than %d bytes, the most that an entry holds", entries.MaxLine), false
	}
	outcome, err := i.tally.Line(number, line.text)
	if outcome == stats.Rejected {
		return err.Error(), false
	}
	return "", outcome == stats.Blank
}

// put puts the batch. It is tried again under the same ids where it failed.
func (i *ingestion) put(ctx context.Context) error {
	if len(i.batch) > 0 {
		if err := i.try(ctx); err != nil {
			return err
		}
	}
	i.done, i.bytes = i.taken, 0
	clear(i.batch) // frees the lines
	i.batch = i.batch[:0]
	if i.Progress != nil {
		i.Progress(i.done)
	}
	return nil
}

func (i *ingestion) try(ctx context.Context) error {
	pause := ingestPause
	for n := 1; ; n++ {
		_, err := i.to.Put(ctx, i.batch)
		switch {
		case err == nil:
			return nil
		case ctx.Err() != nil:
			return i.cutOff(ctx.Err())
		case n == ingestTries || errors.Is(err, entries.ErrBad):
			return fmt.Errorf("putting lines %d to %d: %w; %s", i.done.Lines+1, i.taken.Lines, err, i.fate())
		}
		select {
		case <-ctx.Done():
			return i.cutOff(ctx.Err())
		case <-time.After(pause/2 + rand.N(pause)):
			pause *= 2
		}
	}
}

// cutOff is stopped while a batch was put, of which some may be in the table.
func (i *ingestion) cutOff(err error) error {
	return fmt.Errorf("ingesting %s was stopped (%s) while lines %d to %d were put; %s",
		i.Protocol, err.Error(), i.done.Lines+1, i.taken.Lines, i.fate())
}

// fate says what has become of the lines when a batch was not put, or not to the end.
func (i *ingestion) fate() string {
	return fmt.Sprintf("those before are dealt with, of these some may be in the table, later ones are not (from line %d on)", i.taken.Lines+1)
}

// stopped says how far it came. It does not wrap the context's error: to call it again would put lines twice.
func (i *ingestion) stopped(err error) error {
	return fmt.Errorf("ingesting %s was stopped (%s) when the lines up to %d were dealt with; go on at line %d",
		i.Protocol, err.Error(), i.done.Lines, i.done.Lines+1)
}

// inputLine is a line without its newline.
type inputLine struct {
	text []byte
	long bool // longer than an entry may be: text is empty
}

// readLines cuts the input into lines, and closes out at its end. Memory does not depend on how long a line is.
func readLines(ctx context.Context, in io.Reader, out chan<- inputLine) error {
	defer close(out)
	r := bufio.NewReaderSize(in, 64<<10)
	for first := true; ; first = false {
		line, err := readLine(r)
		if first {
			line.text = bytes.TrimPrefix(line.text, []byte("\ufeff"))
		}
		if err == nil || errors.Is(err, io.EOF) && (len(line.text) > 0 || line.long) { // what failed is half a line
			select {
			case out <- line:
			case <-ctx.Done():
				return nil // whoever has ended it says so
			}
		}
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return fmt.Errorf("reading the input: %w", err)
		}
	}
}

// readLine reads up to the next newline. What stands before the input's end is a line.
func readLine(r *bufio.Reader) (inputLine, error) {
	var line inputLine
	for {
		piece, err := r.ReadSlice('\n')
		if err == nil {
			piece = piece[:len(piece)-1]
		}
		switch {
		case line.long:
		case len(line.text)+len(piece) > entries.MaxLine:
			line = inputLine{long: true}
		default:
			line.text = append(line.text, piece...)
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			return line, err
		}
	}
}

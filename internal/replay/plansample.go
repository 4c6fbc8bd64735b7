package replay

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/axiomhq/hyperloglog"

	"github.com/seed-56345083/reprise/internal/archive"
	"github.com/seed-56345083/reprise/internal/ledger"
	"github.com/seed-56345083/reprise/internal/stats"
)

const (
	sampleText  = 256 << 20 // bytes of text that are read of one object at most, however well it is compressed
	sampleRows  = 32 << 20  // bytes of memory of the rows that are kept to see how large they are
	lookEvery   = 256       // lines between two looks at the clock and the bounds
	maxReasons  = 3
	maxOwners   = 1 << 20
	shared      = 255
	partialSize = 64 << 20 // bytes of memory of one object's partial before it is sealed, as a worker has it
)

// observation is what was seen of one object.
type observation struct {
	consumed          float64 // stored bytes that were read
	size              float64 // stored bytes that there are
	lines, counted    float64
	rejected, after   float64
	text, blob        float64
	sealed            float64 // bytes of blob that went into segments
	key               float64 // length of the key
	whole, unreadable bool
}

// sampler reads objects of one protocol as a worker does, and commits nothing.
type sampler struct {
	archive  archive.Archive
	program  *stats.Program
	rule     stats.Rule
	most     int64 // stored bytes of one object
	progress func(string, int64, int64)

	tally   *stats.Tally
	rows    *stats.Partial // of all objects, until it is too large
	full    bool
	sketch  *hyperloglog.Sketch
	strata  []*stratum
	in      uint8            // the stratum that the object is of
	owners  map[uint64]uint8 // the stratum of the one object that has a row, or shared; of up to maxOwners rows
	e       Estimate
	perLine []float64 // seconds, one for each object
	opening []float64 // seconds until an object could be read
}

// read reads a sample. It fails where ctx ends, or where lines cannot be counted at all.
func (s *sampler) read(ctx context.Context, d *draw) error {
	var err error
	if s.tally, err = s.program.NewTally(s.rule); err != nil {
		return fmt.Errorf("sampling: %w", err)
	}
	s.sketch, s.rows, s.owners = hyperloglog.New(), s.program.NewPartial(), map[uint64]uint8{}
	s.strata = d.strata()
	all := int64(0)
	for _, stratum := range s.strata {
		all += int64(len(stratum.sample))
	}
	for i, stratum := range s.strata {
		s.in = uint8(i) //nolint:gosec // there are fewer than a hundred
		for _, object := range stratum.sample {
			s.progress("sampled", s.e.Objects+s.e.Skipped, all)
			o := observation{size: float64(object.Size), key: float64(len(object.Key))}
			err := s.object(ctx, object, &o)
			switch {
			case ctx.Err() != nil:
				return context.Cause(ctx)
			case err == nil:
			case errors.Is(err, archive.ErrCorrupt), errors.Is(err, archive.ErrCold), errors.Is(err, archive.ErrNotFound), errors.Is(err, archive.ErrChanged):
				o = observation{size: o.size, consumed: o.size, key: o.key, whole: true, unreadable: true} // it would become FAILED
				s.e.Unreadable++
			default:
				s.e.Skipped++
			}
			if err != nil {
				if len(s.e.Reasons) < maxReasons {
					s.e.Reasons = append(s.e.Reasons, err.Error())
				}
				s.tally.Partial().Reset()
				if !o.unreadable {
					continue
				}
			}
			s.e.Objects++
			s.e.Bytes += int64(o.consumed)
			stratum.seen = append(stratum.seen, o)
		}
	}
	return nil
}

// object reads the beginning of one object, up to all of it. Line 0 of an object of our own archiver is no header.
func (s *sampler) object(ctx context.Context, object archive.Object, o *observation) error {
	began := time.Now()
	lines, err := archive.OpenLines(ctx, s.archive, archive.LinesParams{
		Key: object.Key, ETag: object.ETag, Size: object.Size, MaxLine: s.program.MaxLine() + 1,
	})
	if err != nil {
		return err
	}
	defer func() { _ = lines.Close() }() // nothing was written
	opened := time.Now()
	first := int64(0)
	if _, ours := archive.EpochOf(object.Key); ours {
		first = 1
	}
	for n := 1; ; n++ {
		line, err := lines.Next()
		if err == io.EOF { //nolint:errorlint // a wrapped one is not the clean end
			o.whole = true
			break
		}
		if err != nil {
			return err
		}
		s.count(first, line, o)
		if n%lookEvery != 0 {
			continue
		}
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case lines.Consumed() >= s.most && lines.Consumed() < object.Size, lines.Read() >= sampleText:
			o.consumed = float64(lines.Consumed())
			s.timed(began, opened, o)
			return s.keep(o)
		}
		if s.tally.Partial().Size() > partialSize {
			if err := s.seal(o); err != nil {
				return err
			}
		}
	}
	o.consumed = float64(object.Size)
	s.timed(began, opened, o)
	return s.keep(o)
}

func (s *sampler) timed(began, opened time.Time, o *observation) {
	s.opening = append(s.opening, opened.Sub(began).Seconds())
	if o.lines > 0 {
		s.perLine = append(s.perLine, time.Since(opened).Seconds()/o.lines)
	}
}

// count takes one line, as a worker's chunk does.
func (s *sampler) count(first int64, line archive.Line, o *observation) {
	o.text += float64(len(line.Bytes)) + 1
	outcome := stats.Rejected
	if !line.TooLong {
		outcome, _ = s.tally.Line(first+line.Number, line.Bytes)
	}
	switch outcome {
	case stats.Blank:
		return
	case stats.Counted:
		o.counted++
	case stats.AfterCutoff:
		o.after++
	case stats.Rejected:
		o.rejected++
	}
	o.lines++
}

// keep ends an object: what its partial takes, and which rows it has. What is larger than a cursor holds is sealed.
func (s *sampler) keep(o *observation) error {
	if o.sealed > 0 {
		return s.seal(o)
	}
	n, err := s.encode()
	if o.blob = float64(n); n > ledger.MaxInline {
		o.blob, o.sealed = 0, float64(n)
	}
	return err
}

// seal puts what the partial has so far aside, as a segment.
func (s *sampler) seal(o *observation) error {
	n, err := s.encode()
	o.sealed += float64(n)
	return err
}

// encode empties the partial, and returns how many bytes it has as a blob.
func (s *sampler) encode() (int, error) {
	partial := s.tally.Partial()
	defer partial.Reset()
	if partial.Lines() == 0 {
		return 0, nil
	}
	for hash := range partial.Hashes() {
		s.sketch.InsertHash(hash)
		if _, seen := s.owners[hash]; seen {
			s.owners[hash] = shared
		} else if len(s.owners) < maxOwners {
			s.owners[hash] = s.in
		}
	}
	blob := partial.AppendBlob(nil)
	if !s.full {
		if err := s.rows.MergeBlob(blob, nil); err != nil {
			return 0, fmt.Errorf("adding the rows of the sample up: %w", err)
		}
		s.full = s.rows.Size() > sampleRows
	}
	return len(blob), nil
}

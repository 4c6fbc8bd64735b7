package stats

import (
	"errors"
	"fmt"
	"strconv"

	"github.com/seed-56345083/reprise/internal/logline"
)

// errTooLong is the reason for a line beyond the definition's max_line.
var errTooLong = errors.New("line too long")

// Tally adds lines up in a partial. It belongs to one goroutine.
type Tally struct {
	prog   *Program
	rule   Rule
	parser *logline.Parser
	times  *logline.TimeReader
	in     input
	wheres []*chooser // per statistic; nil counts every line
	part   *Partial
	length []byte // @bytes as text
}

// NewTally makes a tally with an empty partial. It fails where the program was compiled for rows alone and the definition's
// Go consumer is missing (ErrVersion), and where the consumer's author made a mistake.
func (p *Program) NewTally(rule Rule) (*Tally, error) {
	t := &Tally{
		prog: p, rule: rule, part: p.NewPartial(),
		in:     input{values: make([]logline.Value, len(p.fields)+1), nums: make([]num, len(p.fields)+1)},
		wheres: make([]*chooser, len(p.stats)),
	}
	var err error
	if t.parser, err = p.newParser(); err != nil {
		return nil, fmt.Errorf("protocol %s: %w", p.def.Protocol, err)
	}
	if t.times, err = logline.NewTimeReader(p.layout); err != nil {
		return nil, fmt.Errorf("protocol %s: layout: %w", p.def.Protocol, err)
	}
	for i, s := range p.stats {
		if s.where != nil {
			t.wheres[i] = newChooser(s.where)
		}
	}
	return t, nil
}

// Line takes one line, without its newline; a trailing CR is dropped. number is its number in the object, from 0.
// The error is the reason of a Rejected line, short and without the line's text; it is nil for other outcomes. A
// rejected line, and one after the cutoff, leaves no trace in the partial. The line is not kept.
func (t *Tally) Line(number int64, line []byte) (Outcome, error) {
	if n := len(line); n > 0 && line[n-1] == '\r' {
		line = line[:n-1]
	}
	if len(line) > t.prog.maxLine {
		return Rejected, errTooLong
	}
	in := &t.in
	if err := t.parser.Parse(number, line, in.values[bytesSlot+1:]); err != nil {
		if err == logline.ErrBlank { //nolint:errorlint // never wrapped, and this is per line
			return Blank, nil
		}
		return Rejected, err
	}
	var err error
	if in.ts, err = t.times.Parse(in.values[t.prog.time]); err != nil {
		return Rejected, err
	}
	if !t.rule.All && in.ts.Nanos > t.rule.Cutoff {
		return AfterCutoff, nil
	}
	t.part.lines++
	in.next()
	if t.prog.bytes {
		in.values[bytesSlot].Kind = logline.Number
		in.nums[bytesSlot] = num{kind: numInt, i: int64(len(line))}
		if t.prog.bytesText {
			t.length = strconv.AppendInt(t.length[:0], int64(len(line)), 10)
			in.values[bytesSlot].Text = t.length
		}
	}
	for i, w := range t.wheres {
		if w == nil || w.counts(in) {
			table := t.part.tables[i]
			row := table.rowOf(in)
			for _, c := range table.cols {
				c.add(row, in)
			}
		}
	}
	return Counted, nil
}

// Partial is what the tally adds to: it stays the tally's, and may be read, encoded and Reset between lines.
func (t *Tally) Partial() *Partial { return t.part }

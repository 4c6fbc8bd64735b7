package replay

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"

	"github.com/seed-56345083/reprise/internal/ledger"
	"github.com/seed-56345083/reprise/internal/stats"
)

// Diff compares one statistic in two generations.
type Diff struct {
	Protocol  string    `json:"protocol"`
	Statistic string    `json:"statistic"`
	A         int64     `json:"a"` // the generation that serves
	B         int64     `json:"b"` // the one that is being built, or the previous one
	RowsA     int64     `json:"rows_a"`
	RowsB     int64     `json:"rows_b"`
	OnlyA     int64     `json:"only_a"` // rows that the other has not
	OnlyB     int64     `json:"only_b"`
	Differ    int64     `json:"differ"` // rows of both whose measures differ
	Note      string    `json:"note,omitempty"`
	Columns   []string  `json:"columns"`
	Samples   []DiffRow `json:"samples"` // at most maxSamples
}

// DiffRow is one row that is not the same in both; A or B is null where the row is missing.
type DiffRow struct {
	Dims []stats.Dim `json:"-"`
	Key  string      `json:"key"` // the dimension values as a JSON array
	A    []string    `json:"a"`
	B    []string    `json:"b"`
}

const maxSamples = 20

// Diff compares the generation of a protocol that serves with another one, statistic by statistic (those named, or
// all): with the one given, or with the one that is being built as far as it is folded, or with the previous one. A
// statistic that only one of them has is told in its Note.
func (d *Driver) Diff(ctx context.Context, protocol string, wanted []string, other int64) ([]Diff, error) {
	p, err := d.o.Ledger.Protocol(ctx, protocol)
	if err != nil {
		return nil, fmt.Errorf("reading protocol %s: %w", protocol, err)
	}
	switch {
	case p.Serving == 0:
		return nil, fmt.Errorf("%w: protocol %s has no generation that serves yet%s", ErrUnknown, protocol, hint(p))
	case other != 0:
	case p.Building != 0:
		other = p.Building
	case p.Previous != 0:
		other = p.Previous
	default:
		return nil, fmt.Errorf("%w: protocol %s has one generation only", ErrUnknown, protocol)
	}
	a, err := d.definition(ctx, protocol, p.Serving)
	if err != nil {
		return nil, err
	}
	b, err := d.definition(ctx, protocol, other)
	if err != nil {
		return nil, err
	}
	namesA, namesB := statistics(a), statistics(b)
	all := append(slices.Clone(namesA), namesB...)
	slices.Sort(all)
	all = slices.Compact(all)
	if len(wanted) == 0 {
		wanted = all
	}
	var diffs []Diff
	for _, name := range wanted {
		diff := Diff{Protocol: protocol, Statistic: name, A: p.Serving, B: other, Samples: []DiffRow{}}
		switch {
		case !slices.Contains(all, name):
			return nil, fmt.Errorf("%w: neither generation of %s has a statistic %q", ErrUnknown, protocol, name)
		case !slices.Contains(namesA, name):
			diff.Note = fmt.Sprintf("generation %d has no such statistic", diff.A)
		case !slices.Contains(namesB, name):
			diff.Note = fmt.Sprintf("generation %d has no such statistic", diff.B)
		default:
			if err := d.compare(ctx, &diff); err != nil {
				return nil, err
			}
		}
		diffs = append(diffs, diff)
	}
	return diffs, nil
}

func (d *Driver) definition(ctx context.Context, protocol string, generation int64) (stats.Definition, error) {
	g, err := d.o.Ledger.Generation(ctx, protocol, generation)
	if errors.Is(err, ledger.ErrNotFound) {
		return stats.Definition{}, fmt.Errorf("%w: protocol %s has no generation %d", ErrUnknown, protocol, generation)
	}
	if err != nil {
		return stats.Definition{}, fmt.Errorf("reading generation %d of %s: %w", generation, protocol, err)
	}
	definition, err := stats.DecodeDefinition(g.Definition)
	if err != nil {
		return definition, fmt.Errorf("generation %d of %s: %w", generation, protocol, err)
	}
	return definition, nil
}

// compare walks both generations' rows side by side; they come in one order.
func (d *Driver) compare(ctx context.Context, diff *Diff) error {
	a, err := d.Read(ctx, diff.Protocol, diff.Statistic, diff.A)
	if err != nil {
		return err
	}
	b, err := d.Read(ctx, diff.Protocol, diff.Statistic, diff.B)
	if err != nil {
		return err
	}
	dimsA, measuresA, _ := a.Program().Columns(diff.Statistic)
	dimsB, measuresB, _ := b.Program().Columns(diff.Statistic)
	if !slices.Equal(dimsA, dimsB) || !slices.Equal(measuresA, measuresB) {
		diff.Note = "the dimensions or measures are not the same, so the rows cannot be compared"
		return nil
	}
	diff.Columns = append(slices.Clone(dimsA), measuresA...)
	diff.RowsA, diff.RowsB = int64(a.Len()), int64(b.Len())
	nextA, stopA := iter.Pull(a.Rows())
	defer stopA()
	nextB, stopB := iter.Pull(b.Rows())
	defer stopB()
	rowA, okA := nextA()
	rowB, okB := nextB()
	for okA || okB {
		order := 0
		switch {
		case !okB:
			order = -1
		case !okA:
			order = 1
		default:
			order = slices.CompareFunc(rowA.Dims, rowB.Dims, compareDim)
		}
		switch {
		case order < 0:
			diff.OnlyA++
			diff.sample(rowA, rowA.Values(), nil)
		case order > 0:
			diff.OnlyB++
			diff.sample(rowB, nil, rowB.Values())
		default:
			if va, vb := rowA.Values(), rowB.Values(); !slices.Equal(va, vb) {
				diff.Differ++
				diff.sample(rowA, va, vb)
			}
		}
		if order <= 0 {
			rowA, okA = nextA()
		}
		if order >= 0 {
			rowB, okB = nextB()
		}
	}
	return nil
}

// compareDim is the order in which rows come: null before the empty text.
func compareDim(a, b stats.Dim) int {
	switch {
	case a.Null && b.Null:
		return 0
	case a.Null:
		return -1
	case b.Null:
		return 1
	case a.Text < b.Text:
		return -1
	case a.Text > b.Text:
		return 1
	default:
		return 0
	}
}

func (d *Diff) sample(r stats.Row, a, b []string) {
	if len(d.Samples) < maxSamples {
		d.Samples = append(d.Samples, DiffRow{Dims: slices.Clone(r.Dims), Key: string(r.DimsJSON()), A: a, B: b})
	}
}

// Same reports whether the two are equal.
func (d Diff) Same() bool { return d.Note == "" && d.OnlyA+d.OnlyB+d.Differ == 0 }

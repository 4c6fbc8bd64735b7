package demo

import (
	"encoding/csv"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
)

// How far a value may be off.
const (
	floatTolerance    = 1e-9
	distinctTolerance = 0.03
)

// maxDifferences is how many differences Compare tells; more say nothing new.
const maxDifferences = 20

// CompareCSV is Compare for CSV.
func CompareCSV(e Expected, r io.Reader) ([]string, error) {
	rows, err := csv.NewReader(r).ReadAll()
	if err != nil {
		return nil, fmt.Errorf("reading the rows of %s %s: %w", e.Protocol, e.Statistic, err)
	}
	return Compare(e, rows), nil
}

// Compare tells how actual rows, a header first, differ from the expected ones; none for not at all. Integers,
// timestamps and histograms must be equal, floats to 1e-9 of the value, distinct counts to 3 % or to 1. The order
// must be that of the dimensions as byte strings.
func Compare(e Expected, actual [][]string) []string {
	d := &differences{what: e.Protocol + " " + e.Statistic}
	if len(actual) == 0 || !slices.Equal(actual[0], e.Columns) {
		d.add("the columns are %q, not %q", slices.Concat(actual[:min(1, len(actual))]...), e.Columns)
		return d.texts
	}
	dims := e.Dims()
	name := func(row []string) string { return strings.Join(row[:dims], "\x00") }
	byName := map[string][]string{}
	for i, row := range actual[1:] {
		if len(row) != len(e.Columns) {
			d.add("row %d has %d cells, not %d", i+1, len(row), len(e.Columns))
			continue
		}
		if _, again := byName[name(row)]; again {
			d.add("%q is there twice", row[:dims])
		}
		if i > 0 && len(actual[i]) == len(row) && slices.Compare(actual[i][:dims], row[:dims]) > 0 {
			d.add("%q is out of order", row[:dims])
		}
		byName[name(row)] = row
	}
	for _, want := range e.Rows {
		got, ok := byName[name(want)]
		if !ok {
			d.add("%q is missing", want[:dims])
			continue
		}
		delete(byName, name(want))
		for i, kind := range e.Kinds {
			if at := dims + i; !kind.equal(want[at], got[at]) {
				d.add("%q has %s %s, not %s", want[:dims], e.Columns[at], cell(got[at]), cell(want[at]))
			}
		}
	}
	for _, row := range actual[1:] { // in their order, not the map's
		if len(row) == len(e.Columns) && byName[name(row)] != nil {
			d.add("%q is too much", row[:dims])
		}
	}
	return d.close()
}

// equal compares two values as their kind says. An empty one is missing, and equal to an empty one alone.
func (k Kind) equal(want, got string) bool {
	if want == got {
		return true
	}
	if k == KindExact {
		return false
	}
	w, err1 := strconv.ParseFloat(want, 64)
	g, err2 := strconv.ParseFloat(got, 64)
	if err1 != nil || err2 != nil {
		return false
	}
	if k == KindDistinct {
		return math.Abs(w-g) <= max(1, distinctTolerance*w)
	}
	return math.Abs(w-g) <= floatTolerance*math.Abs(w)
}

func cell(s string) string {
	if s == "" {
		return "nothing"
	}
	return s
}

// differences collects texts, up to a limit.
type differences struct {
	what  string
	texts []string
	more  int
}

func (d *differences) add(format string, args ...any) {
	if len(d.texts) >= maxDifferences {
		d.more++
		return
	}
	d.texts = append(d.texts, d.what+": "+fmt.Sprintf(format, args...))
}

func (d *differences) close() []string {
	if d.more > 0 {
		d.texts = append(d.texts, fmt.Sprintf("%s: and %d differences more", d.what, d.more))
	}
	return d.texts
}

package e2e_test

import (
	"encoding/csv"
	"math"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// How far a column may be off. What is not named is equal, to the letter.
const (
	floatTolerance    = 1e-9 // sums of floats: the reference adds up in another order
	distinctTolerance = 0.03
)

// table is a header and rows, as CSV has them.
type table struct {
	columns []string
	rows    [][]string
}

func parseCSV(t *testing.T, text string) table {
	t.Helper()
	rows, err := csv.NewReader(strings.NewReader(text)).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	if len(rows) == 0 {
		t.Fatal("no header")
	}
	return table{rows[0], rows[1:]}
}

// maxDifferences is how many differences a comparison tells; more say nothing new.
const maxDifferences = 10

// equal compares every row of two tables, in their order, and reports whether they are the same. tolerance has the
// columns that may be off by a share of their value.
func equal(t *testing.T, what string, got, want table, tolerance map[string]float64) bool {
	t.Helper()
	if !slices.Equal(got.columns, want.columns) {
		t.Errorf("%s: the columns are %q, want %q", what, got.columns, want.columns)
		return false
	}
	differences := 0
	if len(got.rows) != len(want.rows) {
		t.Errorf("%s: %d rows, want %d", what, len(got.rows), len(want.rows))
		differences++
	}
	for i := range min(len(got.rows), len(want.rows)) {
		for j, column := range want.columns {
			g, w := got.rows[i][j], want.rows[i][j]
			if g == w || within(g, w, tolerance[column]) {
				continue
			}
			if differences++; differences > maxDifferences {
				t.Errorf("%s: and more", what)
				return false
			}
			t.Errorf("%s: row %d has %s %q, want %q of %q", what, i, column, g, w, want.rows[i])
		}
	}
	return differences == 0
}

// within compares two numbers. One that is missing is near to none.
func within(got, want string, tolerance float64) bool {
	g, err1 := strconv.ParseFloat(got, 64)
	w, err2 := strconv.ParseFloat(want, 64)
	return tolerance > 0 && err1 == nil && err2 == nil && math.Abs(g-w) <= tolerance*math.Abs(w)
}

package demo_test

import (
	"encoding/csv"
	"slices"
	"strings"
	"testing"

	"github.com/seed-56345083/reprise/internal/demo"
)

func TestCompare(t *testing.T) {
	t.Parallel()
	e := demo.Expected{
		Protocol: "p", Statistic: "s",
		Columns: []string{"a", "n", "f", "d"},
		Kinds:   []demo.Kind{demo.KindExact, demo.KindFloat, demo.KindDistinct},
		Rows:    [][]string{{"x", "3", "0.1", "1000"}, {"y", "4", "", "2"}},
	}
	for _, c := range []struct {
		name, csv string
		want      []string
	}{
		{"equal", "a,n,f,d\nx,3,0.1,1000\ny,4,,2\n", nil},
		{"within tolerance", "a,n,f,d\nx,3,0.10000000000001,1029\ny,4,,3\n", nil},
		{"outside tolerance", "a,n,f,d\nx,3,0.100000001,1031\ny,4,,4\n", []string{
			`p s: ["x"] has f 0.100000001, not 0.1`, `p s: ["x"] has d 1031, not 1000`, `p s: ["y"] has d 4, not 2`,
		}},
		{"integer as float", "a,n,f,d\nx,3.0,0.1,1000\ny,4,,2\n", []string{`p s: ["x"] has n 3.0, not 3`}},
		{"missing value", "a,n,f,d\nx,3,,1000\ny,4,0,2\n", []string{`p s: ["x"] has f nothing, not 0.1`, `p s: ["y"] has f 0, not nothing`}},
		{"missing row", "a,n,f,d\nx,3,0.1,1000\n", []string{`p s: ["y"] is missing`}},
		{"row too much", "a,n,f,d\nx,3,0.1,1000\ny,4,,2\nz,1,1,1\n", []string{`p s: ["z"] is too much`}},
		{"row twice", "a,n,f,d\nx,3,0.1,1000\nx,3,0.1,1000\ny,4,,2\n", []string{`p s: ["x"] is there twice`}},
		{"order", "a,n,f,d\ny,4,,2\nx,3,0.1,1000\n", []string{`p s: ["x"] is out of order`}},
		{"columns", "a,n,d,f\n", []string{`p s: the columns are ["a" "n" "d" "f"], not ["a" "n" "f" "d"]`}},
		{"nothing", "", []string{`p s: the columns are [], not ["a" "n" "f" "d"]`}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got, err := demo.CompareCSV(e, strings.NewReader(c.csv))
			if err != nil || !slices.Equal(got, c.want) {
				t.Errorf("got %q, %v\nwant %q", got, err, c.want)
			}
		})
	}
	if _, err := demo.CompareCSV(e, strings.NewReader("a,n,f,d\nx\n")); err == nil {
		t.Error("a short row is read")
	}
}

func TestCompareStopsTelling(t *testing.T) {
	t.Parallel()
	m, _ := archive()
	e := m.Expected[0]
	got := demo.Compare(e, [][]string{e.Columns})
	if len(got) != 21 || !strings.Contains(got[20], "differences more") {
		t.Errorf("%d differences, the last %q", len(got), got[len(got)-1])
	}
}

// What is expected compares equal with itself, written and read as CSV.
func TestExpectedAsCSV(t *testing.T) {
	t.Parallel()
	m, _ := archive()
	for _, e := range m.Expected {
		var b strings.Builder
		w := csv.NewWriter(&b)
		if err := w.Write(e.Columns); err != nil {
			t.Fatal(err)
		}
		if err := w.WriteAll(e.Rows); err != nil {
			t.Fatal(err)
		}
		if got, err := demo.CompareCSV(e, strings.NewReader(b.String())); err != nil || len(got) > 0 {
			t.Errorf("%q, %v", got, err)
		}
	}
}

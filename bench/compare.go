package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"time"
)

// The forms in which the corpus is there, which are also names of folders.
const (
	formGzip  = "gzip"
	formPlain = "plain"
)

var forms = []string{formGzip, formPlain}

// by are the dimensions of the query.
const by = "_path, hour, id.resp_p"

// contestant is one of those that are measured in turn.
type contestant struct {
	name  string
	run   func(context.Context) (cost, [][]string, error)
	exact bool // its rows have the length of the lines
	costs []cost
	rows  [][]string
}

// occasion is on what and with what all are measured.
type occasion struct {
	form  string
	cores int
	cpus  string
}

// errRows says that two programs gave different rows.
var errRows = errors.New("the rows differ")

// compare measures each form on one core and on two and prints tables. It fails where rows differ.
func compare(ctx context.Context, s settings) error {
	if err := installDuckDB(ctx, s); err != nil {
		return err
	}
	c, err := loadCorpus(ctx, s)
	if err != nil {
		return err
	}
	fmt.Printf("%s: %v\nquery: lines, bytes, first and last time by %s, up to %s\n", c.Made, c, by, c.Cutoff)
	fmt.Printf("medians of %d; reprise: from start to the end of run --once; DuckDB %s: the query alone\n", s.runs, duckdbVersion)
	for _, form := range forms {
		if err := warm(filepath.Join(c.dir, form)); err != nil {
			return err
		}
		for _, cores := range []int{1, 2} {
			cpus, err := cpuList(cores, runtime.NumCPU())
			if err != nil {
				return err
			}
			if err := measure(ctx, s, c, occasion{form, cores, cpus}); err != nil {
				return err
			}
		}
	}
	return nil
}

// measure runs all in turn, so that a change of the machine's speed meets each of them.
func measure(ctx context.Context, s settings, c corpus, o occasion) error {
	all := []*contestant{
		{name: "reprise", exact: true, run: func(ctx context.Context) (cost, [][]string, error) { return reprise(ctx, s, c, o) }},
		{name: "DuckDB q1c", run: func(ctx context.Context) (cost, [][]string, error) { return duckdb(ctx, s, c, o, "q1c") }},
		{name: "DuckDB q1e", exact: true, run: func(ctx context.Context) (cost, [][]string, error) { return duckdb(ctx, s, c, o, "q1e") }},
	}
	for i := range s.runs {
		for _, a := range all {
			took, rows, err := a.run(ctx)
			if err != nil {
				return err
			}
			a.costs = append(a.costs, took)
			if i > 0 && digest(rows) != digest(a.rows) {
				return fmt.Errorf("%w: those of %s from one run to the next", errRows, a.name)
			}
			a.rows = rows
		}
		fmt.Fprintf(os.Stderr, "%s, %d: run %d of %d\n", o.form, o.cores, i+1, s.runs)
	}
	printTable(c, o, all)
	return checkRows(all)
}

// reprise replays the corpus once, in a new folder.
func reprise(ctx context.Context, s settings, c corpus, o occasion) (took cost, rows [][]string, err error) {
	r, err := newSite(s, filepath.Join(c.dir, o.form), c.Protocols, o.cores, by)
	if err != nil {
		return cost{}, nil, err
	}
	defer func() { err = errors.Join(err, r.remove()) }()
	if took, err = r.replay(ctx, o.cpus, c.Cutoff); err != nil {
		return took, nil, err
	}
	rows, err = r.rows(ctx)
	return took, rows, err
}

func printTable(c corpus, o occasion, all []*contestant) {
	fmt.Printf("\n| %s, %d slots or threads on processors %s | wall, s | least to most | CPU, s | MB/s | million lines/s | peak, MiB | times its wall |\n", o.form, o.cores, o.cpus)
	fmt.Println("|---|---|---|---|---|---|---|---|")
	ours := median(all[0].costs, wallOf)
	for _, a := range all {
		wall := median(a.costs, wallOf)
		least := slices.MinFunc(a.costs, byWall).wall
		most := slices.MaxFunc(a.costs, byWall).wall
		peak := slices.MaxFunc(a.costs, func(a, b cost) int { return int(a.peak - b.peak) }).peak
		fmt.Printf("| %s | %.2f | %.2f to %.2f | %.2f | %.0f | %.2f | %d | %.2f |\n", a.name, wall.Seconds(), least.Seconds(), most.Seconds(),
			median(a.costs, cpuOf).Seconds(), float64(c.Bytes)/1e6/wall.Seconds(), float64(c.Lines)/1e6/wall.Seconds(), peak>>20,
			wall.Seconds()/ours.Seconds())
	}
	fmt.Printf("start took %.2f s of reprise's time\n", median(all[0].costs, func(c cost) time.Duration { return c.start }).Seconds())
}

// checkRows compares the rows of all with those of the first.
func checkRows(all []*contestant) error {
	fmt.Printf("%d rows, SHA-1 %s\n", len(all[0].rows), digest(all[0].rows))
	for _, a := range all[1:] {
		want, got := all[0].rows, a.rows
		if !a.exact {
			want, got = withoutSum(want), withoutSum(got)
		}
		if digest(want) != digest(got) {
			return fmt.Errorf("%w: those of %s and %s", errRows, all[0].name, a.name)
		}
	}
	fmt.Println("the same rows from all; q1c has them but for the sum of bytes, which it cannot give")
	return nil
}

func wallOf(c cost) time.Duration { return c.wall }
func cpuOf(c cost) time.Duration  { return c.cpu }
func byWall(a, b cost) int        { return int(a.wall - b.wall) }

// median is that of one value of some costs; of an even number the mean of the middle two.
func median(costs []cost, value func(cost) time.Duration) time.Duration {
	all := make([]time.Duration, len(costs))
	for i, c := range costs {
		all[i] = value(c)
	}
	slices.Sort(all)
	return (all[(len(all)-1)/2] + all[len(all)/2]) / 2
}

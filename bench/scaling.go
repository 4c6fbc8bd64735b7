package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"time"

	"github.com/klauspost/compress/gzip"
)

// part is one part of scaling.
type part struct {
	name string
	run  func(context.Context, settings) error
}

var series = []part{{"slots", scaleSlots}, {"workers", scaleWorkers}, {"objects", scaleObjects}, {"rows", scaleRows}}

// scaling measures how the time changes with slots, worker processes, objects and rows, each with the others held; only
// those that are named, or all.
func scaling(ctx context.Context, s settings, names []string) error {
	for _, name := range names {
		if !slices.ContainsFunc(series, func(p part) bool { return p.name == name }) {
			return fmt.Errorf("%q is no part of scaling: slots, workers, objects or rows", name)
		}
	}
	for _, p := range series {
		if len(names) > 0 && !slices.Contains(names, p.name) {
			continue
		}
		if err := p.run(ctx, s); err != nil {
			return err
		}
	}
	return nil
}

// times runs something several times.
func (s settings) times(run func() (cost, error)) ([]cost, error) {
	var all []cost
	for range s.runs {
		c, err := run()
		if err != nil {
			return nil, err
		}
		all = append(all, c)
	}
	return all, nil
}

func printHead(what string) {
	fmt.Printf("\n| %s | wall, s | CPU, s | start, s | peak, MiB |\n|---|---|---|---|---|\n", what)
}

func printCosts(name string, all []cost) {
	peak := int64(0)
	for _, c := range all {
		peak = max(peak, c.peak)
	}
	fmt.Printf("| %s | %.2f | %.2f | %.2f | %d |\n", name, median(all, wallOf).Seconds(), median(all, cpuOf).Seconds(),
		median(all, func(c cost) time.Duration { return c.start }).Seconds(), peak>>20)
}

// scaleSlots has one slot on one processor and two on two, in turn, on both forms of the corpus.
func scaleSlots(ctx context.Context, s settings) error {
	c, err := loadCorpus(ctx, s)
	if err != nil {
		return err
	}
	fmt.Printf("%s: %v; medians of %d, in turn\n", c.Made, c, s.runs)
	for _, form := range forms {
		if err := warm(filepath.Join(c.dir, form)); err != nil {
			return err
		}
		costs := map[int][]cost{}
		for range s.runs {
			for _, cores := range []int{1, 2} {
				cpus, err := cpuList(cores, runtime.NumCPU())
				if err != nil {
					return err
				}
				took, _, err := reprise(ctx, s, c, occasion{form, cores, cpus})
				if err != nil {
					return err
				}
				costs[cores] = append(costs[cores], took)
			}
		}
		printHead(form + ": slots, each with a processor")
		printCosts("1", costs[1])
		printCosts("2", costs[2])
		fmt.Printf("two are %.2f times as fast as one\n", median(costs[1], wallOf).Seconds()/median(costs[2], wallOf).Seconds())
	}
	return nil
}

// scaleWorkers has one process with all roles and others that only work, one slot each, on the gzip files of the corpus.
func scaleWorkers(ctx context.Context, s settings) error {
	c, err := loadCorpus(ctx, s)
	if err != nil {
		return err
	}
	archive := filepath.Join(c.dir, formGzip)
	if err := warm(archive); err != nil {
		return err
	}
	fmt.Printf("%s: %v; medians of %d, %d processors; peak: of the process with all roles\n", c.Made, c, s.runs, runtime.NumCPU())
	printHead("worker processes, one slot each")
	for _, n := range []int{1, 2, 4} {
		all, err := s.times(func() (cost, error) { return severalWorkers(ctx, s, c, archive, n) })
		if err != nil {
			return err
		}
		printCosts(strconv.Itoa(n), all)
	}
	return nil
}

func severalWorkers(ctx context.Context, s settings, c corpus, archive string, n int) (total cost, err error) {
	r, err := newSite(s, archive, c.Protocols, 1, by)
	if err != nil {
		return total, err
	}
	defer func() { err = errors.Join(err, r.remove()) }()
	if total, err = r.time(ctx, allCPUs(), "start", "--cutoff", c.Cutoff); err != nil {
		return total, err
	}
	total.start = total.wall
	var others []*exec.Cmd
	defer func() {
		for _, o := range others {
			err = errors.Join(err, stopWorker(o))
			total.cpu += costOf(o).cpu
		}
	}()
	for range n - 1 {
		o := r.command(ctx, allCPUs(), "work")
		if err := o.Start(); err != nil {
			return total, err
		}
		others = append(others, o)
	}
	run, err := r.time(ctx, allCPUs(), "run", "--once")
	total.wall += run.wall
	total.cpu += run.cpu
	total.peak = run.peak
	return total, err
}

// allCPUs names all processors, as taskset wants it.
func allCPUs() string { return "0-" + strconv.Itoa(runtime.NumCPU()-1) }

func stopWorker(o *exec.Cmd) error {
	if err := o.Process.Signal(os.Interrupt); err != nil {
		return err
	}
	return o.Wait()
}

// scaleObjects has the same lines in more and more objects.
func scaleObjects(ctx context.Context, s settings) error {
	fmt.Printf("\n%d MB of made-up lines, gzip; medians of %d, in turn, two slots a processor, as is the default\n", s.scale, s.runs)
	var all []scale
	for _, n := range []int{10, 100, 1000, 10_000} {
		all = append(all, scale{name: strconv.Itoa(n), objects: n, slots: 2 * runtime.NumCPU(), by: by})
	}
	return inTurn(ctx, s, "objects", all)
}

// scaleRows has the same objects counted by fields of more and more values.
func scaleRows(ctx context.Context, s settings) error {
	fmt.Printf("\n%d MB of made-up lines in 10 objects, gzip; medians of %d, in turn, two slots\n", s.scale, s.runs)
	var all []scale
	for _, n := range cardinalities {
		all = append(all, scale{name: strconv.Itoa(n), objects: 10, slots: 2, by: keyName(n)})
	}
	return inTurn(ctx, s, "rows", all)
}

// scale is one size of a series.
type scale struct {
	name    string
	archive string
	objects int
	slots   int
	by      string
}

// inTurn runs all sizes of a series one after the other, and that several times: a machine that becomes slower meanwhile is
// slower for all of them.
func inTurn(ctx context.Context, s settings, what string, all []scale) error {
	for i := range all {
		archive, err := scaleCorpus(s, all[i].objects)
		if err != nil {
			return err
		}
		all[i].archive = archive
	}
	costs := make([][]cost, len(all))
	for range s.runs {
		for i, one := range all {
			if err := warm(one.archive); err != nil {
				return err
			}
			took, err := scaleOne(ctx, s, one)
			if err != nil {
				return err
			}
			costs[i] = append(costs[i], took)
		}
	}
	printHead(what)
	for i, one := range all {
		printCosts(one.name, costs[i])
	}
	return nil
}

func scaleOne(ctx context.Context, s settings, one scale) (took cost, err error) {
	r, err := newSite(s, one.archive, []string{"made"}, one.slots, one.by)
	if err != nil {
		return took, err
	}
	defer func() { err = errors.Join(err, r.remove()) }()
	return r.replay(ctx, allCPUs(), "")
}

// cardinalities are how many values the key fields of a made-up line have.
var cardinalities = []int{10, 1000, 100_000, 1_000_000}

func keyName(n int) string { return "k" + strconv.Itoa(n) }

// scaleCorpus makes made-up lines in so many objects, where they are not there from an earlier run.
func scaleCorpus(s settings, objects int) (string, error) {
	dir := filepath.Join(s.dir, fmt.Sprintf("scale-%d-%d", s.scale, objects))
	if _, err := os.Stat(dir); err == nil {
		return dir, nil
	}
	building := dir + ".new"
	if err := errors.Join(os.RemoveAll(building), os.MkdirAll(building, 0o755)); err != nil {
		return "", err
	}
	z, err := gzip.NewWriterLevel(nil, 3)
	if err != nil {
		return "", err
	}
	lines := s.scale * 1_000_000 / len(appendLine(nil, 0))
	for i := range objects {
		name := filepath.Join(building, fmt.Sprintf("made-%05d.json.gz", i))
		if err := writeLines(name, z, lines*i/objects, lines*(i+1)/objects); err != nil {
			return "", err
		}
	}
	return dir, os.Rename(building, dir)
}

// writeLines writes the lines from one number to before another.
func writeLines(path string, z *gzip.Writer, from, to int) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	z.Reset(f)
	w := bufio.NewWriterSize(z, 64<<10)
	var line []byte
	for i := from; i < to; i++ {
		line = appendLine(line[:0], i)
		if _, err := w.Write(line); err != nil {
			return errors.Join(err, f.Close())
		}
	}
	return errors.Join(w.Flush(), z.Close(), f.Close())
}

// scaleStart is the time of the first made-up line; each is 50 ms later than the one before.
var scaleStart = time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)

// spread has no divisor in common with a power of ten: its multiples go through all values of a field before one comes again.
const spread = 618_033_989

// appendLine appends a made-up line with its newline. All lines are of about the same length.
func appendLine(b []byte, i int) []byte {
	scattered := uint64(i) * 0x9e3779b97f4a7c15
	b = append(b, `{"_path":"made","ts":"`...)
	b = scaleStart.Add(time.Duration(i)*50*time.Millisecond).AppendFormat(b, timeLayout)
	b = fmt.Appendf(b, `","uid":"C%016x","id.orig_h":"10.0.%d.%d","id.orig_p":%d`, scattered, i>>8&0xff, i&0xff, 1024+scattered>>50)
	b = append(b, `,"id.resp_h":"10.1.0.53","id.resp_p":53,"proto":"udp"`...)
	for _, n := range cardinalities {
		b = fmt.Appendf(b, `,"%s":"v%07d"`, keyName(n), uint64(i)*spread%uint64(n))
	}
	return append(b, "}\n"...)
}

package replay_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/seed-56345083/reprise/internal/archive"
	"github.com/seed-56345083/reprise/internal/replay"
)

// shelved is an archive of which some objects are in a storage class, or cannot be opened just now.
type shelved struct {
	archive.Archive
	class map[string]string
	down  map[string]bool
	open  func()
}

var errDown = errors.New("connection refused")

func (s shelved) List(ctx context.Context, prefix, after string) iter.Seq2[archive.Object, error] {
	return func(yield func(archive.Object, error) bool) {
		for o, err := range s.Archive.List(ctx, prefix, after) {
			o.Class = s.class[o.Key]
			if !yield(o, err) {
				return
			}
		}
	}
}

func (s shelved) Open(ctx context.Context, p archive.OpenParams) (io.ReadCloser, error) {
	if s.open != nil {
		s.open()
	}
	switch {
	case s.class[p.Key] == "GLACIER":
		return nil, fmt.Errorf("opening %s: %w", p.Key, archive.ErrCold)
	case s.down[p.Key]:
		return nil, fmt.Errorf("opening %s: %w", p.Key, errDown)
	}
	return s.Archive.Open(ctx, p)
}

func planned(t *testing.T, d *replay.Driver, p replay.PlanParams) replay.Plan {
	t.Helper()
	plan, err := d.Plan(context.Background(), p)
	if err != nil {
		t.Fatal(err)
	}
	if len(plan.Sampled) != len(p.Protocols) {
		t.Fatalf("%d protocols are sampled", len(plan.Sampled))
	}
	return plan
}

// TestPlanReadsAll: of an archive that is smaller than a sample everything is known to the digit: lines, rows, bad lines, and
// which objects are damaged or cold.
func TestPlanReadsAll(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	s.put("logs/dns/1", "a", "b", "!", "a")
	s.put("logs/dns/2", "b", "c", "d")
	s.put("logs/dns/cold", "x", "y", "z")
	s.put("logs/ssl/1", "a")
	s.put("logs/http/1", "a")
	s.put("logs/README", "a")
	s.corrupt("logs/dns/bad.gz")
	d := s.driver("planner", nil, func(o *replay.Options) {
		o.Archive = shelved{Archive: s.files, class: map[string]string{"logs/dns/cold": "GLACIER", "logs/dns/2": "STANDARD_IA"}}
	})
	plan := planned(t, d, replay.PlanParams{StartParams: params("dns", "ssl")})
	dns := plan.Sampled[0]
	three := replay.Range{Low: 4, High: 4}
	if dns.Lines != (replay.Range{Low: 7, High: 7}) || dns.Counted != (replay.Range{Low: 6, High: 6}) || dns.Rows != three || !dns.Whole {
		t.Errorf("lines %v, counted %v, rows %v, whole %v", dns.Lines, dns.Counted, dns.Rows, dns.Whole)
	}
	if dns.Objects != 3 || dns.Unreadable != 1 || dns.Skipped != 0 || dns.Cold != 1 || dns.ColdBytes != s.cursorless("logs/dns/cold") {
		t.Errorf("sampled %d, unreadable %d, skipped %d, cold %d of %d bytes", dns.Objects, dns.Unreadable, dns.Skipped, dns.Cold, dns.ColdBytes)
	}
	if len(dns.Reasons) != 1 || !strings.Contains(dns.Reasons[0], "logs/dns/bad.gz") {
		t.Errorf("reasons %q", dns.Reasons)
	}
	if share := 1.0 / 7; math.Abs(dns.Rejected-share) > 1e-9 || dns.After != 0 {
		t.Errorf("a share of %v is rejected, %v after the cutoff", dns.Rejected, dns.After)
	}
	if plan.Protocols[0].Objects != 4 || plan.Others != 1 || plan.Unmatched != 1 || plan.Lines != (replay.Range{Low: 8, High: 8}) || plan.Rows != (replay.Range{Low: 5, High: 5}) {
		t.Errorf("%+v", plan)
	}
	if plan.Calls != nil || plan.Dollars != nil || plan.Disk == nil || plan.Disk.Low <= 0 || plan.Seconds.High <= 0 {
		t.Errorf("calls %v, dollars %v, disk %v, seconds %v", plan.Calls, plan.Dollars, plan.Disk, plan.Seconds)
	}
	late := params("dns")
	late.Cutoff = time.Date(2026, 1, 2, 3, 4, 4, 0, time.UTC) // a second before all lines
	if after := planned(t, d, replay.PlanParams{StartParams: late}).Sampled[0]; math.Abs(after.After-6.0/7) > 1e-9 || after.Counted.High != 0 {
		t.Errorf("a share of %v is after the cutoff, counted %v", after.After, after.Counted)
	}
	if replays, err := s.ledger.Replays(context.Background()); err != nil || len(replays) > 0 || len(tasks(t, s.work)) > 0 {
		t.Errorf("planning has begun %v, %v", replays, err)
	}
}

// cursorless is the size of an object.
func (s *system) cursorless(key string) int64 {
	s.t.Helper()
	o, err := s.files.Stat(context.Background(), key)
	if err != nil {
		s.t.Fatal(err)
	}
	return o.Size
}

// TestPlanSamples: from a tenth of the objects, of very uneven size, and the beginnings of the largest, what is said of all holds
// for the test's own count.
func TestPlanSamples(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	random := rand.New(rand.NewPCG(3, 4))
	rows := map[string]bool{}
	lines, text, bad, listed := 0.0, 0.0, 0.0, int64(0)
	for i := range 400 {
		n := 5 + random.IntN(60)
		switch {
		case i%100 == 99:
			n = 20_000 // four of 400 have most of the lines
		case i%10 == 0:
			n *= 10
		}
		var b bytes.Buffer
		for range n {
			q := fmt.Sprintf("host-%d", random.IntN(300+10*i)) // later objects have names that earlier ones have not
			line := fmt.Sprintf(`{"ts":"2026-01-02T03:04:05Z","q":%q,"pad":"%x"}`+"\n", q, random.Uint64())
			if random.IntN(50) == 0 {
				line, bad = "garbage\n", bad+1
			} else {
				rows[q] = true
			}
			b.WriteString(line)
			lines, text = lines+1, text+float64(len(line))
		}
		key, content := fmt.Sprintf("logs/dns/%03d", i), b.Bytes()
		if i%2 == 0 {
			var packed bytes.Buffer
			z := gzip.NewWriter(&packed)
			_, _ = z.Write(content) // into memory
			if err := z.Close(); err != nil {
				t.Fatal(err)
			}
			key, content = key+".gz", packed.Bytes()
		}
		listed += int64(len(content))
		s.putBytes(key, content)
	}
	plan := planned(t, s.driver("planner", nil), replay.PlanParams{StartParams: params("dns"), Bytes: 200 << 10})
	e := plan.Sampled[0]
	if plan.Protocols[0].Objects != 400 || plan.Protocols[0].Bytes != listed || e.Objects < 40 || e.Objects > 60 || e.Whole || e.Bytes >= listed/2 {
		t.Errorf("%d objects, %d bytes; sampled %d, %d bytes, whole %v", plan.Protocols[0].Objects, plan.Protocols[0].Bytes, e.Objects, e.Bytes, e.Whole)
	}
	within := func(what string, r replay.Range, is, wide float64) {
		t.Helper()
		t.Logf("%s: %.0f to %.0f, it is %.0f", what, r.Low, r.High, is)
		if is < r.Low || is > r.High || r.High > wide*r.Low {
			t.Errorf("%s: between %.0f and %.0f, it is %.0f, and the range may be %g times as high as low", what, r.Low, r.High, is, wide)
		}
	}
	within("lines", e.Lines, lines, 1.4)
	within("text", e.Text, text, 1.4)
	within("rows", e.Rows, float64(len(rows)), 20)
	if share := bad / lines; math.Abs(e.Rejected-share) > share/4 {
		t.Errorf("a share of %.4f is rejected, it is %.4f", e.Rejected, share)
	}
	again := planned(t, s.driver("another", nil), replay.PlanParams{StartParams: params("dns"), Bytes: 200 << 10}).Sampled[0]
	if again.Lines != e.Lines || again.Rows != e.Rows {
		t.Errorf("the same archive gives %v lines, then %v", e.Lines, again.Lines)
	}
}

// TestPlanPrice: the calls of an archive that was read as a whole, counted here by hand.
func TestPlanPrice(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	const objects = 12
	for i := range objects {
		s.put(fmt.Sprintf("logs/dns/%02d", i), "a", fmt.Sprint("b", i))
	}
	for mode, puts := range map[string]float64{archive.TagsAll: 3, archive.TagsFinal: 1, archive.TagsOff: 0} {
		p := params("dns")
		p.Tags = mode
		plan := planned(t, s.driver("planner", nil), replay.PlanParams{StartParams: p, AWS: true, Slots: 4})
		sum, found := 0.0, map[string]replay.Range{}
		for _, c := range plan.Calls {
			found[c.What] = c.Number
			sum += c.Dollars.High
			if math.Abs(c.Dollars.High-c.Number.High*c.Million/1e6) > 1e-12 {
				t.Errorf("%s: %v at $%v a million are $%v", c.What, c.Number, c.Million, c.Dollars)
			}
		}
		for what, n := range map[string]float64{
			"DynamoDB write units of cursors": 3 * objects, // create, claim, commit of less than 1 KiB
			"DynamoDB write units of rows":    1 + objects,
			"S3 GET of objects":               objects, "S3 PUT of tags": puts * objects, "S3 LIST": 2,
		} {
			if found[what] != (replay.Range{Low: n, High: n}) {
				t.Errorf("tags %s: %s: %v, want %v", mode, what, found[what], n)
			}
		}
		if plan.Dollars == nil || math.Abs(plan.Dollars.High-sum) > 1e-12 || plan.Disk != nil || plan.Prices == "" {
			t.Errorf("dollars %v, disk %v, prices %q", plan.Dollars, plan.Disk, plan.Prices)
		}
	}
}

// TestPlanReuse: a plan takes over what the start would, reads the rest alone, and pays for both. Calls are counted here by hand.
func TestPlanReuse(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	const objects = 9
	for i := range objects {
		s.put(fmt.Sprintf("logs/dns/%d", i), "a", fmt.Sprint("b", i))
	}
	s.put("logs/ssl/1", "s")
	first, _ := s.replayedWith(params("dns", "ssl"))
	s.put("logs/dns/4", "changed", "changed", "x")
	s.put("logs/dns/new", "a", "new")

	opened := 0
	d := s.driver("planner", nil, func(o *replay.Options) {
		o.Archive = shelved{Archive: s.files, open: func() { opened++ }}
	})
	plan := planned(t, d, replay.PlanParams{StartParams: reusing(first.ID, "dns", "ssl"), AWS: true})
	if opened != 2 {
		t.Errorf("%d objects were opened, want the changed one and the new one", opened)
	}
	dns, ssl := plan.Protocols[0], plan.Protocols[1]
	if dns.Objects != objects+1 || dns.Reused != objects-1 || ssl.Objects != 1 || ssl.Reused != 1 {
		t.Errorf("%+v, %+v", dns, ssl)
	}
	if plan.Lines != (replay.Range{Low: 5, High: 5}) || !plan.Sampled[0].Whole || plan.Sampled[0].Objects != 2 || plan.Sampled[1].Objects != 0 {
		t.Errorf("lines %v, sampled %+v", plan.Lines, plan.Sampled)
	}
	// dns has changed, x, a and new where it is read, and a and eight others where it is taken over.
	if rows := plan.Sampled[0].Rows; rows.Low > 12 || rows.High < 12 || rows.High > 16 {
		t.Errorf("between %v rows, there are 12", rows)
	}
	if rows := plan.Sampled[1].Rows; rows.Low != 1 || rows.High < 1 || rows.High > 2 {
		t.Errorf("between %v rows, there is 1", rows)
	}
	found := map[string]replay.Range{}
	for _, c := range plan.Calls {
		found[c.What] = c.Number
	}
	for what, n := range map[string]float64{
		"DynamoDB write units of cursors": 3*2 + objects, "S3 GET of objects": 2, "S3 PUT of tags": 3*2 + objects, "S3 GET of tags": 4*2 + 2*objects,
	} {
		if found[what] != (replay.Range{Low: n, High: n}) {
			t.Errorf("%s: %v, want %v", what, found[what], n)
		}
	}
	all := planned(t, d, replay.PlanParams{StartParams: params("dns", "ssl"), AWS: true})
	if plan.Dollars.High >= all.Dollars.High || all.Protocols[0].Reused != 0 {
		t.Errorf("$%v with the earlier replay, $%v without", plan.Dollars, all.Dollars)
	}
	_, err := d.Plan(context.Background(), replay.PlanParams{StartParams: reusing("nope", "dns")})
	wantError(t, err, replay.ErrReuse, "no replay nope")
}

// TestPlanRowBytes: a longer value makes a row longer by as many bytes, once, until it is cut in the key and stands beside it whole.
func TestPlanRowBytes(t *testing.T) {
	t.Parallel()
	size := func(n int) float64 {
		s := newSystem(t)
		s.put("logs/dns/1", strings.Repeat("a", n))
		return planned(t, s.driver("planner", nil), replay.PlanParams{StartParams: params("dns")}).Sampled[0].RowBytes
	}
	short := size(10)
	if more := size(890) - short; more != 880 {
		t.Errorf("880 more bytes of a value make a row %v bytes longer", more)
	}
	if more := size(2010) - short; more < 2000+800 || more > 2000+900 {
		t.Errorf("2000 more bytes of a value make a row %v bytes longer, want them and a key", more)
	}
}

// TestPlanWithoutMuch: what cannot be read now says nothing, nothing at all is refused, and who stops the plan ends it.
func TestPlanWithoutMuch(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	_, err := s.driver("planner", nil).Plan(context.Background(), replay.PlanParams{StartParams: params("dns")})
	wantError(t, err, replay.ErrNothing, "logs/")
	s.put("logs/dns/1", "a")
	s.put("logs/dns/2", "b")
	down := map[string]bool{"logs/dns/1": true}
	d := s.driver("planner", nil, func(o *replay.Options) { o.Archive = shelved{Archive: s.files, down: down} })
	e := planned(t, d, replay.PlanParams{StartParams: params("dns")}).Sampled[0]
	if e.Skipped != 1 || e.Objects != 1 || e.Whole || e.Lines.Low > 2 || e.Lines.High < 2 || len(e.Reasons) != 1 {
		t.Errorf("%+v", e)
	}
	down["logs/dns/2"] = true
	if e := planned(t, d, replay.PlanParams{StartParams: params("dns")}).Sampled[0]; e.Skipped != 2 || e.Objects != 0 || e.Lines.High != 0 || e.Whole {
		t.Errorf("%+v", e)
	}
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	d = s.driver("planner", nil, func(o *replay.Options) { o.Archive = shelved{Archive: s.files, open: stop} })
	if _, err := d.Plan(ctx, replay.PlanParams{StartParams: params("dns")}); !errors.Is(err, context.Canceled) {
		t.Errorf("a plan that was stopped: %v", err)
	}
}

// TestPlanPartial: a partial is as large as a worker's, also where it has no row but only the number of its lines.
func TestPlanPartial(t *testing.T) {
	t.Parallel()
	for name, where := range map[string]string{"rows": "", "no rows": `q == "c"`} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSystem(t)
			s.put("logs/dns/1", "a", "b", "a")
			p := params("dns")
			p.Protocols[0].Definition.Stats[0].Where = where
			plan := planned(t, s.driver("planner", nil), replay.PlanParams{StartParams: p})
			r, _ := s.replayedWith(p)
			n := float64(len(s.cursor(r.ID, "logs/dns/1").Partial))
			if got := plan.Sampled[0].Partial; n == 0 || got != (replay.Range{Low: n, High: n}) {
				t.Errorf("a partial of %v bytes, the worker's has %v", got, n)
			}
		})
	}
}

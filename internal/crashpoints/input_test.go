package crashpoints_test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/seed-56345083/reprise/internal/logline"
	"github.com/seed-56345083/reprise/internal/stats"
)

// The lines of the certificate, and a count of them that shares nothing with the product: encoding/json and maps.

// record is one line. Its host is what the rows are by.
type record struct {
	TS    time.Time `json:"ts"`
	Host  string    `json:"host"`
	Bytes int64     `json:"bytes"`
}

// Virtual time begins with the year 2000; a replay's cutoff is its start.
var (
	past   = time.Date(1999, 3, 24, 17, 0, 0, 0, time.UTC)
	future = time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
)

// makeLines generates n lines of that many hosts, different ones for each seed; of every 50 one each is no JSON, blank, and
// after the cutoff.
func makeLines(seed, n, hosts int) []string {
	lines := make([]string, n)
	for i := range lines {
		r := record{TS: past.Add(time.Duration(i) * time.Second), Host: fmt.Sprintf("h%d", (i+seed)%hosts), Bytes: int64((i+seed)*7919) % 1500}
		switch i % 50 {
		case 1:
			lines[i] = `{"ts":`
			continue
		case 2:
			continue
		case 3:
			r.TS = future
		}
		b, err := json.Marshal(r)
		if err != nil {
			panic(err)
		}
		lines[i] = string(b)
	}
	return lines
}

// text is lines as an object has them.
func text(lines []string) []byte {
	var b bytes.Buffer
	for _, l := range lines {
		b.WriteString(l + "\n")
	}
	return b.Bytes()
}

// members compresses lines into gzip members of so many lines each.
func members(t *testing.T, lines []string, each int) []byte {
	t.Helper()
	var b bytes.Buffer
	for len(lines) > 0 {
		n := min(each, len(lines))
		w := gzip.NewWriter(&b)
		if _, err := w.Write(text(lines[:n])); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		lines = lines[n:]
	}
	return b.Bytes()
}

// corrupt is an object that claims to be gzip and is not.
func corrupt() []byte { return []byte("\x1f\x8b\x08\x00broken") }

// table is a row's host to its measures.
type table map[string]string

// recount counts lines as the definition below says.
func recount(objects ...[]string) table {
	type sums struct{ lines, bytes, most int64 }
	hosts := map[string]sums{}
	for _, lines := range objects {
		for _, line := range lines {
			var r record
			if json.Unmarshal([]byte(line), &r) != nil || !r.TS.Before(future) {
				continue
			}
			s := hosts[r.Host]
			s.lines++
			s.bytes += r.Bytes
			s.most = max(s.most, r.Bytes)
			hosts[r.Host] = s
		}
	}
	t := table{}
	for host, s := range hosts {
		t[host] = fmt.Sprint([]int64{s.lines, s.bytes, s.most})
	}
	return t
}

const statistic = "traffic"

func definition(protocol string) stats.Definition {
	return stats.Definition{
		Protocol: protocol, Format: logline.Format{Name: "json"}, Timestamp: "ts",
		Stats: []stats.Statistic{{Name: statistic, By: []string{"host"}, Measures: []stats.Measure{
			{Name: "lines", Func: "count"}, {Name: "bytes", Func: "sum(bytes)"}, {Name: "most", Func: "max(bytes)"},
		}}},
	}
}

// tableOf writes rows that were read as recount writes its own.
func tableOf(p *stats.Partial) table {
	t := table{}
	for r := range p.Rows() {
		t[r.Dims[0].Text] = fmt.Sprint(r.Values())
	}
	return t
}

package logline

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

// zeekLines returns the lines of a real Zeek log where the corpus is beside the checkout, and else lines like
// them.
func zeekLines(b *testing.B, name string) [][]byte {
	b.Helper()
	f, err := os.Open(filepath.Join("..", "..", "..", "shared", "corpus", "zeek", name+".json.gz"))
	if errors.Is(err, os.ErrNotExist) {
		return generate(10_000, func(i int) string {
			return fmt.Sprintf(`{"_path":"dns","_write_ts":"2018-03-24T17:15:20.%06dZ","ts":"2018-03-24T17:15:20.865716Z",`+
				`"uid":"CqKst53mF3det3eDV%d","id.orig_h":"10.47.1.%d","id.orig_p":%d,"id.resp_h":"10.0.0.100",`+
				`"id.resp_p":53,"proto":"udp","trans_id":%d,"rtt":0.0008699893951416016,"query":"host%d.example.org",`+
				`"qclass":1,"qclass_name":"C_INTERNET","qtype":1,"qtype_name":"A","rcode":0,"rcode_name":"NOERROR",`+
				`"AA":false,"TC":false,"RD":true,"RA":true,"Z":0,"answers":["www.example.com","192.0.2.16"],`+
				`"TTLs":[2230.0,41830.0],"rejected":false}`, i, i%10, i%250, 1024+i%60000, i, i%100)
		})
	}
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	z, err := gzip.NewReader(f)
	if err != nil {
		b.Fatal(err)
	}
	var all bytes.Buffer
	if _, err := all.ReadFrom(z); err != nil {
		b.Fatal(err)
	}
	return bytes.Split(bytes.TrimSuffix(all.Bytes(), []byte("\n")), []byte("\n"))
}

func generate(n int, line func(i int) string) [][]byte {
	lines := make([][]byte, n)
	for i := range lines {
		lines[i] = []byte(line(i))
	}
	return lines
}

// benchmarkParse parses all lines once per operation.
func benchmarkParse(b *testing.B, f Format, fields []string, lines [][]byte) {
	b.Helper()
	p, err := NewParser(f, fields)
	if err != nil {
		b.Fatal(err)
	}
	size := 0
	for _, l := range lines {
		size += len(l) + 1
	}
	values := make([]Value, len(fields))
	b.SetBytes(int64(size))
	b.ReportAllocs()
	for b.Loop() {
		for i, l := range lines {
			if err := p.Parse(int64(i+1), l, values); err != nil {
				b.Fatalf("%v: %q", err, l)
			}
		}
	}
	b.ReportMetric(float64(len(lines)*b.N)/b.Elapsed().Seconds()/1e6, "Mlines/s")
}

func BenchmarkJSON(b *testing.B) {
	fields := []string{"ts", "qtype_name", "rcode_name", "rtt", "id.orig_h", "rcode", "query"}
	b.Run("dns", func(b *testing.B) { benchmarkParse(b, Format{Name: "json"}, fields, zeekLines(b, "dns")) })
	b.Run("dns/ts only", func(b *testing.B) { benchmarkParse(b, Format{Name: "json"}, []string{"ts"}, zeekLines(b, "dns")) })
	b.Run("ssl", func(b *testing.B) {
		benchmarkParse(b, Format{Name: "json"}, []string{"ts", "version", "cipher", "established"}, zeekLines(b, "ssl"))
	})
	b.Run("nested", func(b *testing.B) {
		lines := generate(1000, func(i int) string {
			return fmt.Sprintf(`{"time":"2018-03-24T17:15:20.%03dZ","http":{"request":{"method":"GET","path":"/a/%d"},`+
				`"response":{"status":%d,"bytes":%d}},"labels":{"app":"web","zone":"a"},"tags":["x","y"]}`, i, i%9, 200+i%3, i*7)
		})
		benchmarkParse(b, Format{Name: "json"}, []string{"time", "http.request.method", "http.response.status"}, lines)
	})
	b.Run("escaped", func(b *testing.B) {
		lines := generate(1000, func(i int) string {
			return fmt.Sprintf(`{"ts":%d,"msg":"a \"quoted\" word, a \\ and a \u00e9 in message number %d","level":"info"}`, i, i)
		})
		benchmarkParse(b, Format{Name: "json"}, []string{"ts", "msg", "level"}, lines)
	})
}

func BenchmarkCombined(b *testing.B) {
	lines := generate(1000, func(i int) string {
		return fmt.Sprintf(`192.0.2.%d - - [10/Oct/2000:13:%02d:%02d -0700] "GET /articles/%d?page=2 HTTP/1.1" 200 %d `+
			`"https://example.org/start" "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"`,
			i%250, i/60%60, i%60, i, i*31)
	})
	benchmarkParse(b, Format{Name: "combined"}, []string{"time", "method", "path", "status", "bytes"}, lines)
}

func BenchmarkTSV(b *testing.B) {
	f := Format{Name: "tsv", Comment: "#", Columns: []string{"ts", "uid", "orig_h", "orig_p", "resp_h", "resp_p",
		"proto", "service", "duration", "orig_bytes", "resp_bytes", "state"}}
	lines := generate(1000, func(i int) string {
		return fmt.Sprintf("1521911720.%06d\tCqKst53mF3det3eDV%d\t10.47.1.%d\t%d\t10.0.0.100\t53\tudp\tdns\t0.00087\t-\t%d\tSF",
			i, i, i%250, 1024+i, i*3)
	})
	benchmarkParse(b, f, []string{"ts", "service", "duration", "resp_bytes"}, lines)
}

func BenchmarkCSV(b *testing.B) {
	f := Format{Name: "csv", Columns: []string{"ts", "user", "action", "note", "amount"}}
	lines := generate(1000, func(i int) string {
		return fmt.Sprintf(`2018-03-24T17:15:20.%03dZ,user%d,login,"a ""quoted"" note, with a comma",%d.50`, i, i%50, i)
	})
	benchmarkParse(b, f, []string{"ts", "action", "note", "amount"}, lines)
}

func BenchmarkLogfmt(b *testing.B) {
	lines := generate(1000, func(i int) string {
		return fmt.Sprintf(`ts=2018-03-24T17:15:20.%03dZ caller=main.go:42 level=info msg="request done" method=GET `+
			`path=/a/%d status=200 duration=%dms`, i, i%9, i%70)
	})
	benchmarkParse(b, Format{Name: "logfmt"}, []string{"ts", "level", "status", "duration"}, lines)
}

func BenchmarkRegex(b *testing.B) {
	f := Format{Name: "regex", Pattern: `(?P<ts>\S+) (?P<level>[A-Z]+) \[(?P<thread>[^\]]*)\] (?P<msg>.*)`}
	lines := generate(1000, func(i int) string {
		return fmt.Sprintf("2018-03-24T17:15:20.%03dZ INFO [worker-%d] took %d ms to do what was asked", i, i%8, i)
	})
	benchmarkParse(b, f, []string{"ts", "level"}, lines)
}

func BenchmarkTime(b *testing.B) {
	for _, c := range []struct{ name, layout, text string }{
		{"rfc3339", "", "2018-03-24T17:15:23.533701Z"},
		{"unix", "unix", "1521911723.533701"},
		{"clf", layoutCLF, "10/Oct/2000:13:55:36 -0700"},
		{"go", "2006-01-02 15:04:05.000", "2018-03-24 17:15:23.533"},
	} {
		b.Run(c.name, func(b *testing.B) {
			p, err := NewTimeParser(c.layout)
			if err != nil {
				b.Fatal(err)
			}
			v := Value{Kind: Text, Text: []byte(c.text)}
			b.ReportAllocs()
			for b.Loop() {
				if _, err := p.Parse(v); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	b.Run("append", func(b *testing.B) {
		var buf []byte
		t := Time{Nanos: 1521911723533701000, Digits: 6}
		b.ReportAllocs()
		for b.Loop() {
			buf = t.Append(buf[:0])
		}
	})
}

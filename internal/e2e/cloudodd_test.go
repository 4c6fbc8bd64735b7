package e2e_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// TestOddObjectsOnAWS: keys as long as S3 takes them and of any characters, values that are longer than a key of DynamoDB,
// and objects that are deleted or overwritten after they were listed: those are FAILED with the reason, and a redrive takes
// them as they are then.
func TestOddObjectsOnAWS(t *testing.T) {
	t.Parallel()
	s := newCloudSite(t, "slots: 4, visibility_timeout: 20s, reserve: 2s", `
  odd:
    format: json
    timestamp: ts
    stats:
      values:
        by: [hour, value]
        measures: {lines: count, amount: sum(amount)}
`, nil)
	long := strings.Repeat("é", 1200)
	values := []string{long, long + "a", long + "b", "", "#", "a\u0000b", `["x"]`, strings.Repeat("z", 890), strings.Repeat("z", 1024), strings.Repeat("z", 5000)}
	want := map[string][2]int64{}
	lines := func(amount int64) []byte {
		var b bytes.Buffer
		for _, v := range values {
			fmt.Fprintf(&b, "{\"ts\":\"2026-03-01T10:00:00Z\",\"value\":%s,\"amount\":%d}\n", jsonText(t, v), amount)
		}
		return b.Bytes()
	}
	count := func(amount int64) {
		for _, v := range values {
			want[v] = [2]int64{want[v][0] + 1, want[v][1] + amount}
		}
	}
	longest := "logs/odd/" + strings.Repeat(strings.Repeat("k", 200)+"/", 5)
	longest += strings.Repeat("l", 1024-len(longest)-len(".log")) + ".log"
	const deleted, changed = "logs/odd/deleted.log", "logs/odd/changed.log"
	keys := []string{
		longest, deleted, changed, "logs/odd/ blank at both ends ", "logs/odd/a+b%2Fc%.log", "logs/odd/?q=1&r=2#f.log", "logs/odd/äöü/日本/😀.log",
		`logs/odd/"quoted"\and'more'.log`, "logs/odd/<xml>&amp;.log", "logs/odd/fold#1#1", "logs/odd/tab\tin.log", "logs/odd/~!@$^*()[]{}|;:,=.log",
	}
	for i, key := range keys {
		s.put(key, lines(int64(i)))
		if key != changed {
			count(int64(i))
		}
	}
	s.start("--cutoff", smallCutoff)
	if _, err := s.cloud.s3.DeleteObject(t.Context(), &s3.DeleteObjectInput{Bucket: &s.cloud.bucket, Key: new(deleted)}); err != nil {
		t.Fatal(err)
	}
	s.put(changed, lines(7)) // as long as before
	count(7)
	if r := s.run("run", "--once"); r.code != check {
		t.Fatalf("run --once: exit code %d\n%s", r.code, r.err)
	}
	failed := s.objects("--state", "failed")
	slices.SortFunc(failed, func(a, b object) int { return strings.Compare(a.Key, b.Key) })
	if len(failed) != 2 || failed[0].Key != changed || !strings.Contains(failed[0].Error, "changed") || failed[1].Key != deleted || !strings.Contains(failed[1].Error, "not found") {
		t.Errorf("failed are %+v", failed)
	}
	if letters := deadLetters(s); !slices.Equal(letters, []string{changed, deleted}) {
		t.Errorf("the dead letters are of %q", letters)
	}
	again := s.redrive()
	if len(again) != 2 || !again[0].Again || again[1].Again || again[1].Now != "the object is not there" {
		t.Errorf("redrive: %+v", again)
	}
	s.put(deleted, lines(1))
	s.must("redrive", "--key", deleted)
	s.must("run", "--once")
	if c := s.certified(); c.Objects.Finished != int64(len(keys)) || c.Lines.Counted != int64(len(keys)*len(values)) || c.Objects.LeftOut != 0 {
		t.Errorf("%+v, %+v", c.Objects, c.Lines)
	}
	rows := table{columns: []string{"hour", "value", "lines", "amount"}}
	for _, v := range slices.Sorted(maps.Keys(want)) {
		rows.rows = append(rows.rows, []string{"2026-03-01T10:00:00Z", v, text(want[v][0]), text(want[v][1])})
	}
	equal(t, "odd values", parseCSV(t, s.must("stats", "odd", "values", "--csv")), rows, nil)
	if letters := deadLetters(s); len(letters) > 0 {
		t.Errorf("the dead letters are of %q", letters)
	}
	checkTags(s)
}

func jsonText(t *testing.T, s string) string {
	t.Helper()
	b, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

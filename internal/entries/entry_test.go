package entries_test

import (
	"bytes"
	"testing"

	"github.com/seed-56345083/reprise/internal/entries"
)

func TestOneLine(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ line, want string }{
		{"", ""},
		{"a", "a"},
		{"a\n", "a"},
		{"a\n\n", "a"},
		{"\n", ""},
		{"\na", " a"},
		{"a\nb\n\nc\n", "a b  c"},
		{"a\r\n", "a\r"},
		{" a ", " a "},
		{"\xff\n\xfe", "\xff \xfe"},
	} {
		given := []byte(c.line)
		got := entries.OneLine(given)
		if string(got) != c.want {
			t.Errorf("%q: got %q, want %q", c.line, got, c.want)
		}
		if string(given) != c.line {
			t.Errorf("%q was changed to %q", c.line, given)
		}
		if again := entries.OneLine(got); !bytes.Equal(again, got) {
			t.Errorf("%q: once %q, twice %q", c.line, got, again)
		}
	}
}

// A producer that is no Go program computes the same, or takes a shard at random.
func TestShardOf(t *testing.T) {
	t.Parallel()
	seen := map[int]int{}
	for i := range 4096 {
		s := entries.ShardOf(string(rune('a'+i%26)) + string(rune('a'+i/26%26)) + string(rune('a'+i/676)))
		if s < 0 || s >= entries.Shards {
			t.Fatalf("shard %d", s)
		}
		seen[s]++
	}
	for s, n := range seen {
		if n < 4096/entries.Shards/2 || len(seen) != entries.Shards {
			t.Errorf("%d of 4096 ids in shard %d of %d", n, s, len(seen))
		}
	}
	if got := entries.ShardOf(""); got != 0x811c9dc5%entries.Shards {
		t.Errorf("an empty id is in shard %d", got)
	}
	if got := entries.Todo("dns", 3); got != "dns#03" {
		t.Errorf("todo %q", got)
	}
}

package dynamoledger

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/seed-56345083/reprise/internal/dynamo"
	"github.com/seed-56345083/reprise/internal/ledger"
)

// TestCursorSize holds what docs/performance.md says of the bytes and write units of a cursor, beside its object's key.
func TestCursorSize(t *testing.T) {
	t.Parallel()
	const key = "logs/dns/2026/03/01/00/ip-10-0-12-34.eu-west-1.compute.internal-000123.log.gz"
	now := time.Now()
	c := ledger.Cursor{
		CursorID: ledger.CursorID{Replay: "01KAAAAAAAAAAAAAAAAAAAAAAA", Key: key}, Protocol: "dns", State: ledger.Pending,
		ETag: `"` + strings.Repeat("a", 32) + `"`, Size: 3_456_789, StateChange: now,
	}
	size := func(what string, most, units int) {
		t.Helper()
		i, err := cursorItem(&c)
		if err != nil {
			t.Fatal(err)
		}
		if c.Epoch > 0 {
			i[write] = dynamo.Text(rand.Text())
		}
		n := dynamo.Size(i) - len(key)
		t.Logf("%-30s %6d bytes beside the key, %d write units", what, n, dynamo.Units(i))
		if n > most || dynamo.Units(i) != units {
			t.Errorf("%s: %d bytes beside the key, %d write units; want %d at the most, and %d", what, n, dynamo.Units(i), most, units)
		}
	}
	size("created", 200, 1)
	c.State, c.Epoch, c.NoProgress, c.Owner, c.OwnedUntil = ledger.Processing, 1, 1, "ip-10-0-12-34.eu-west-1.compute.internal-1234-0a1b2c3d", now
	size("claimed", 350, 1)
	c.State, c.NoProgress, c.Owner, c.OwnedUntil = ledger.Finished, 0, "", time.Time{}
	c.Line, c.Rows = 123_456, 789
	c.Accounts = ledger.Accounts{Read: 123_456, Counted: 123_450, Rejected: 6, Consumed: 3_456_789, Bytes: 45_678_901}
	for _, p := range []struct{ bytes, units int }{{0, 1}, {512, 1}, {664, 1}, {700, 2}, {2 << 10, 3}, {10 << 10, 11}, {64 << 10, 65}} {
		c.Partial = bytes.Repeat([]byte("x"), p.bytes)
		size(fmt.Sprintf("finished, partial of %d", p.bytes), 280+p.bytes, p.units)
	}
}

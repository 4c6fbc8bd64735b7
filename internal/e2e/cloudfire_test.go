package e2e_test

import (
	"testing"
	"time"
)

// TestFireOnAWS is TestFire over SQS, S3 and DynamoDB. It is smaller: the servers run on the same processors.
func TestFireOnAWS(t *testing.T) {
	if testing.Short() {
		t.Skip("a minute of work for all processors")
	}
	t.Parallel()
	counts := []*shortCount{newShortCount("json"), newShortCount("tsv")}
	const worker = "slots: 2, visibility_timeout: 6s, chunk_time: 2010ms, reserve: 2s, max_attempts: 20"
	s := newCloudSite(t, worker, counts[0].protocol()+counts[1].protocol(), func(c *cloud) { c.meddle(t) })
	underFire(s, counts, firePlan{
		small: 16, smallLines: 10_000, large: 1, largeLines: 500_000, lines: 1_000_000, objects: 34,
		kill: 600 * time.Millisecond, idle: 6, watcher: [2]int{150, 6}, killed: 5, limit: 8 * time.Minute,
	})
}

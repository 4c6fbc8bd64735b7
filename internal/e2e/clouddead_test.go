package e2e_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/seed-56345083/reprise/queue"
)

// TestDeadLettersOnAWS takes objects through the dead-letter queue and back in every way there is: by the worker's verdict
// and by the queue's redrive policy; back by the watcher, by redrive of one, by redrive of all, and by hand as the SQS console
// does it. A letter whose object was finished by another message is dropped.
func TestDeadLettersOnAWS(t *testing.T) {
	t.Parallel()
	c := newShortCount("tsv")
	random := rand.New(rand.NewPCG(31, 32))
	s := newCloudSite(t, "slots: 2, visibility_timeout: 20s, reserve: 2s", c.protocol(), nil)
	gzip := codings()[1]
	object := func(counts bool) []byte { return gzip.encode(t, c.object(random, 1000, counts)) }
	const twin, stuck = "logs/tsv/twin.gz", "logs/tsv/stuck.gz"
	s.put(twin, object(true))
	s.put(stuck, object(true))
	var bad []string
	for i := range 4 {
		bad = append(bad, fmt.Sprintf("logs/tsv/bad-%d.gz", i))
		content := object(false)
		s.put(bad[i], content[:len(content)/2])
	}
	finished := func(n int64) {
		t.Helper()
		s.until(fmt.Sprintf("%d objects to be finished", n), func() bool { return s.status().Objects.Finished == n })
	}
	letters := func(keys ...string) {
		t.Helper()
		s.until(fmt.Sprintf("the dead letters of %q", keys), func() bool { return slices.Equal(deadLetters(s), keys) })
	}
	id := s.start("--cutoff", generatedCutoff.Format(time.RFC3339))

	// By the queue: of one object its message, of another a copy of it.
	for _, body := range s.cloud.bodies(t, s.cloud.queue) {
		if slices.Equal(keysOf(t, [][]byte{body}), []string{twin}) {
			s.cloud.send(t, s.cloud.queue, string(body))
		}
	}
	s.cloud.exhaust(t, twin, stuck)
	letters(stuck, twin)

	worker := s.daemon("work")
	s.until("the corrupt objects to be FAILED", func() bool { return s.status().Objects.Failed == 4 })
	finished(1)
	letters(slices.Concat(bad, []string{stuck, twin})...)
	watcher := s.daemon("watch")
	finished(2)
	letters(bad...)
	s.until("the watcher to say that it sent one letter back and dropped one", func() bool {
		return strings.Contains(watcher.err.String(), `"sent_back":1,"dropped":1`)
	})

	dry := s.redrive("--dry-run")
	for i, o := range dry {
		if o.Key != bad[i] || !o.Again || !strings.Contains(o.Error, "cut off") {
			t.Errorf("dry run: %+v", o)
		}
	}
	if st := s.status(); len(dry) != 4 || st.Objects.Failed != 4 {
		t.Errorf("after a dry run: %+v", st)
	}
	letters(bad...)

	s.put(bad[0], object(true))
	s.call(call{"redrive " + id + " --key " + bad[0], exit(done), []string{bad[0] + ": PENDING (was: "}, []string{"1 "}})
	finished(3)
	letters(bad[1:]...)

	s.put(bad[1], object(true))
	s.cloud.moveBack(t, bad[1])
	finished(4)
	letters(bad[2:]...)

	s.put(bad[2], object(true))
	s.put(bad[3], object(true))
	if again := s.redrive(); len(again) != 2 || again[0].Key != bad[2] || again[1].Key != bad[3] {
		t.Errorf("redrive of all: %+v", again)
	}
	if got := s.finished(); got.Objects.Finished != 6 || got.Lines != c.lines || got.Objects.LeftOut != 0 {
		t.Errorf("the accounts are %+v of %+v, want %+v", got.Lines, got.Objects, c.lines)
	}
	letters()
	c.compare(s)
	worker.stop(terminate)
	watcher.stop(terminate)
	checkTags(s)
	if bodies := s.cloud.bodies(t, s.cloud.queue); len(bodies) > 0 {
		t.Errorf("the queue still has %q", bodies)
	}
}

// redrive redrives, and returns what the program says of each object in the order of their keys, which is not its own here.
func (s *site) redrive(args ...string) []redriven {
	s.t.Helper()
	objects := read[[]redriven](s, append([]string{"redrive", "--json"}, args...)...)
	slices.SortFunc(objects, func(a, b redriven) int { return strings.Compare(a.Key, b.Key) })
	return objects
}

// maxReceives is what reprise init --aws sets.
const maxReceives = 10

func (c *cloud) url(t *testing.T, name string) *string {
	t.Helper()
	out, err := c.sqs.GetQueueUrl(t.Context(), &sqs.GetQueueUrlInput{QueueName: &name})
	if err != nil {
		t.Fatal(err)
	}
	return out.QueueUrl
}

func (c *cloud) send(t *testing.T, name, body string) {
	t.Helper()
	if _, err := c.sqs.SendMessage(t.Context(), &sqs.SendMessageInput{QueueUrl: c.url(t, name), MessageBody: &body}); err != nil {
		t.Fatal(err)
	}
}

// receive receives what is visible, up to ten messages, and hides it for ten minutes.
func (c *cloud) receive(t *testing.T, url *string) []types.Message {
	t.Helper()
	out, err := c.sqs.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: url, MaxNumberOfMessages: 10, VisibilityTimeout: 600, WaitTimeSeconds: 1})
	if err != nil {
		t.Fatal(err)
	}
	return out.Messages
}

// show makes a message visible again.
func (c *cloud) show(t *testing.T, url *string, m types.Message) {
	t.Helper()
	_, err := c.sqs.ChangeMessageVisibility(t.Context(), &sqs.ChangeMessageVisibilityInput{QueueUrl: url, ReceiptHandle: m.ReceiptHandle})
	if err != nil {
		t.Fatal(err)
	}
}

func keyOf(t *testing.T, m types.Message) string {
	t.Helper()
	var task queue.Task
	if err := json.Unmarshal([]byte(aws.ToString(m.Body)), &task); err != nil {
		t.Fatal(err)
	}
	return task.Key
}

// exhaust receives one message of each of the objects, and never deletes it, until the queue's redrive policy takes it away.
// All messages are fewer than ten.
func (c *cloud) exhaust(t *testing.T, keys ...string) {
	t.Helper()
	url := c.url(t, c.queue)
	var others []types.Message
	for _, m := range c.receive(t, url) {
		if i := slices.Index(keys, keyOf(t, m)); i >= 0 {
			keys = slices.Delete(keys, i, i+1)
			c.show(t, url, m)
			continue
		}
		others = append(others, m)
	}
	if len(keys) > 0 {
		t.Fatalf("there are no messages of %q", keys)
	}
	for range maxReceives - 1 {
		for _, m := range c.receive(t, url) {
			c.show(t, url, m)
		}
	}
	if m := c.receive(t, url); len(m) > 0 {
		t.Errorf("received %d times, and %d messages are still there", maxReceives+1, len(m))
	}
	for _, m := range others {
		c.show(t, url, m)
	}
}

// moveBack moves the letter of an object to the work queue as the SQS console does: the body into a new message.
func (c *cloud) moveBack(t *testing.T, key string) {
	t.Helper()
	url := c.url(t, c.dead)
	give := time.Now().Add(patience)
	for time.Now().Before(give) { // the watcher may have it in hand
		found := false
		for _, m := range c.receive(t, url) {
			if found || keyOf(t, m) != key {
				c.show(t, url, m)
				continue
			}
			found = true
			c.send(t, c.queue, *m.Body)
			if _, err := c.sqs.DeleteMessage(t.Context(), &sqs.DeleteMessageInput{QueueUrl: url, ReceiptHandle: m.ReceiptHandle}); err != nil {
				t.Fatal(err)
			}
		}
		if found {
			return
		}
	}
	t.Fatalf("there is no dead letter of %s", key)
}

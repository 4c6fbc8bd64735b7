package config

import (
	"strings"
	"testing"

	"github.com/seed-56345083/reprise/internal/logline"
	"github.com/seed-56345083/reprise/internal/stats"
)

// mail is a consumer of this test's program.
type mail string

func (m mail) Version() string                   { return string(m) }
func (mail) Fields() []string                    { return []string{"ts", "size"} }
func (m mail) NewParser() logline.LineParser     { return m }
func (mail) Parse([]byte, *logline.Record) error { return nil }

func init() { logline.Register("mail", mail("2"), mail("1")) }

// TestConsumer: a definition names the version of the consumer that this program has now.
func TestConsumer(t *testing.T) {
	t.Parallel()
	text := `protocols: {mail: {format: go, consumer: mail, timestamp: ts, stats: {mails: {measures: {bytes: sum(size)}}}}}`
	c, err := parse("reprise.yaml", []byte(text), nil)
	if err != nil {
		t.Fatal(err)
	}
	d := c.Definition("mail")
	if d.Format.Consumer != "mail" || d.Format.Version != "2" || !strings.Contains(string(d.Encode()), `{"name":"go","consumer":"mail","version":"2"}`) {
		t.Errorf("definition %s", d.Encode())
	}
	if _, err := stats.Compile(d); err != nil {
		t.Error(err)
	}
	_, err = parse("reprise.yaml", []byte(strings.Replace(text, "size", "sise", 1)), nil)
	if err == nil || !strings.Contains(err.Error(), `protocols.mail.stats.mails.measures.bytes: field "sise": consumer mail does not have it; there are ts, size`) {
		t.Errorf("a field that the consumer does not declare: %v", err)
	}
}

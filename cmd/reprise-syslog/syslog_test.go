package main

import (
	"maps"
	"strings"
	"testing"

	"github.com/seed-56345083/reprise/worker"
)

func TestSyslog(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]map[string]any{
		// The examples of RFC 5424, section 6.5.
		"<34>1 2003-10-11T22:14:15.003Z mymachine.example.com su - ID47 - \ufeff'su root' failed for lonvick on /dev/pts/8": {
			"facility": "auth", "severity": "2", "ts": "2003-10-11T22:14:15.003Z", "host": "mymachine.example.com", "app": "su",
			"procid": nil, "msgid": "ID47", "data": nil, "message": "'su root' failed for lonvick on /dev/pts/8",
		},
		`<165>1 2003-10-11T22:14:15.003Z mymachine.example.com evntslog - ID47 [exampleSDID@32473 iut="3" eventSource="Application"][examplePriority@32473 class="high"]`: {
			"facility": "local4", "severity": "5", "ts": "2003-10-11T22:14:15.003Z", "host": "mymachine.example.com", "app": "evntslog",
			"procid": nil, "msgid": "ID47", "data": `[exampleSDID@32473 iut="3" eventSource="Application"][examplePriority@32473 class="high"]`,
		},
		`<0>1 - - - - - [a b="] \" [ \\"] [not data]`: {
			"facility": "kern", "severity": "0", "ts": nil, "host": nil, "app": nil, "procid": nil, "msgid": nil,
			"data": `[a b="] \" [ \\"]`, "message": "[not data]",
		},
	} {
		if got, err := worker.ParseLine(syslog{}, line); err != nil || !maps.Equal(got, want) {
			t.Errorf("%s:\n got %v, %v\nwant %v", line, got, err, want)
		}
	}
	for line, want := range map[string]string{
		"Oct 11 22:14:15 mymachine su: failed": "consumer: no priority between < and >",
		"<>1 - - - - - -":                      "consumer: no priority between < and >",
		"<x>1 - - - - - -":                     "consumer: no priority between < and >",
		"<192>1 - - - - - -":                   "consumer: no priority between < and >",
		"<34>":                                 "consumer: no syslog of version 1",
		"<34>2 - - - - - -":                    "consumer: no syslog of version 1",
		"<34>1 - - - -":                        "consumer: the header ends before the message id",
		"<34>1 -  - - - - -":                   "consumer: the header ends before the message id",
		"<34>1 - - - - - ":                     "consumer: structured data is not closed",
		"<34>1 - - - - - message":              "consumer: structured data is not closed",
		`<34>1 - - - - - [a b="]`:              "consumer: structured data is not closed",
		"<34>1 - - - - - [a]x":                 "consumer: structured data is not closed",
	} {
		if got, err := worker.ParseLine(syslog{}, line); err == nil || err.Error() != want {
			t.Errorf("%s: %v, %v, want %s", line, got, err, want)
		}
	}
}

// FuzzSyslog: whatever a line is, the parser does not panic over it.
func FuzzSyslog(f *testing.F) {
	f.Add(`<34>1 2003-10-11T22:14:15.003Z host app 1 ID [a b="\]"] text`)
	f.Add("<34>1 - - - - - -")
	f.Add("<")
	f.Fuzz(func(t *testing.T, line string) {
		if _, err := worker.ParseLine(syslog{}, line); err != nil && strings.Contains(err.Error(), "panic") {
			t.Fatalf("%q: %v", line, err)
		}
	})
}

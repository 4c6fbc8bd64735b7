package main

import (
	"bytes"
	"errors"

	"github.com/seed-56345083/reprise/worker"
)

func init() { worker.Register("syslog", syslog{}) }

// syslog reads lines such as
//
//	<165>1 2003-10-11T22:14:15.003Z host.example.com evntslog - ID47 [example@32473 iut="3"] An application event
//
// into the fields below. A priority is a number of two parts, and a message begins behind structured data that may hold
// spaces, brackets and escaped quotes: that is why it takes code.
type syslog struct{}

// Version goes up with each change of what a line gives.
func (syslog) Version() string { return "1" }

// Fields are what a statistic can ask for.
func (syslog) Fields() []string {
	return []string{"ts", "facility", "severity", "host", "app", "procid", "msgid", "data", "message"}
}

// NewParser makes a parser. This one keeps nothing between lines, so that goroutines could share it.
func (syslog) NewParser() worker.LineParser { return syslog{} }

// What can be wrong with a line.
var (
	errPriority = errors.New("no priority between < and >")
	errVersion  = errors.New("no syslog of version 1")
	errHeader   = errors.New("the header ends before the message id")
	errData     = errors.New("structured data is not closed")
)

var facilities = []string{
	"kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron", "authpriv", "ftp", "ntp", "audit",
	"alert", "clock", "local0", "local1", "local2", "local3", "local4", "local5", "local6", "local7",
}

// Parse takes a line apart from left to right.
func (syslog) Parse(line []byte, r *worker.Record) error {
	priority, rest, ok := priority(line)
	if !ok {
		return errPriority
	}
	r.String("facility", facilities[priority/8])
	r.Int("severity", int64(priority%8))

	version, rest, _ := bytes.Cut(rest, []byte(" "))
	if string(version) != "1" {
		return errVersion
	}
	for _, name := range [...]string{"ts", "host", "app", "procid", "msgid"} {
		var word []byte
		if word, rest, ok = bytes.Cut(rest, []byte(" ")); !ok || len(word) == 0 {
			return errHeader
		}
		text(r, name, word)
	}

	end := dataEnd(rest)
	if end == 0 || end < len(rest) && rest[end] != ' ' {
		return errData
	}
	text(r, "data", rest[:end])
	if end < len(rest) {
		r.Text("message", bytes.TrimPrefix(rest[end+1:], []byte("\ufeff")))
	}
	return nil
}

// text sets a field, or says that it is there without a value.
func text(r *worker.Record, name string, word []byte) {
	if string(word) == "-" {
		r.Null(name)
		return
	}
	r.Text(name, word)
}

// priority reads <165>: eight times the facility, and the severity.
func priority(line []byte) (n int, rest []byte, ok bool) {
	end := bytes.IndexByte(line, '>')
	if line[0] != '<' || end < 2 || end > 4 {
		return 0, nil, false
	}
	for _, c := range line[1:end] {
		if c < '0' || c > '9' {
			return 0, nil, false
		}
		n = n*10 + int(c-'0')
	}
	return n, line[end+1:], n < 8*len(facilities)
}

// dataEnd is the place after the structured data: "-", or elements in brackets, in whose quotes a backslash escapes. 0 where
// there is none.
func dataEnd(b []byte) int {
	if len(b) > 0 && b[0] == '-' {
		return 1
	}
	end, open, quoted := 0, false, false
	for i := 0; i < len(b); i++ {
		switch c := b[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = open && !quoted
		case quoted:
		case c == '[':
			open = true
		case c == ']' && open:
			open, end = false, i+1
		case !open:
			return end
		}
	}
	if open {
		return 0
	}
	return end
}

package logline

import "testing"

func TestTSV(t *testing.T) {
	t.Parallel()
	f := Format{Name: "tsv", Columns: []string{"ts", "b", "c"}, Comment: "#"}
	runLines(t, f, []string{"c", "ts"}, []lineCase{
		{name: "cells", line: "1\t2\t3", want: "'3' | '1'"},
		{name: "unset", line: "-\t\t-", want: "null | null"},
		{name: "empty", line: "\t2\t", want: "null | null"},
		{name: "not unset", line: "--\t2\t -", want: "' -' | '--'"},
		{name: "Zeek's empty set as written", line: "1\t2\t(empty)", want: "'(empty)' | '1'"},
		{name: "escapes stay", line: `\x09` + "\t2\t\"q\"", want: `'"q"' | '\x09'`},
		{name: "invalid UTF-8", line: "\xff\t\xff\t\xc3\xa9", want: "'é' | '\ufffd'"},
		{name: "carriage return", line: "1\t2\t3\r", want: "'3' | '1'"},
		{name: "too few", line: "1\t2", bad: badTSVColumns},
		{name: "one", line: "1", bad: badTSVColumns},
		{name: "too many", line: "1\t2\t3\t", bad: badTSVColumns},
		{name: "tabs only", line: "\t\t", bad: ErrBlank},
		{name: "comment", line: "#close\t2018", bad: ErrBlank},
	})
	runLines(t, Format{Name: "tsv", Columns: []string{"a"}}, []string{"a"}, []lineCase{
		{name: "one column", line: "x", want: "'x'"},
		{name: "no comments", line: "#x", want: "'#x'"},
		{name: "second cell", line: "x\ty", bad: badTSVColumns},
	})
}

func TestCSV(t *testing.T) {
	t.Parallel()
	f := Format{Name: "csv", Columns: []string{"a", "b", "c"}}
	runLines(t, f, []string{"a", "b", "c"}, []lineCase{
		{name: "cells", line: "1,2,3", want: "'1' | '2' | '3'"},
		{name: "empty", line: ",,", want: "null | null | null"},
		{name: "dash is text", line: "-,-,-", want: "'-' | '-' | '-'"},
		{name: "spaces belong to the cell", line: " 1 , ,3 ", want: "' 1 ' | ' ' | '3 '"},
		{name: "quoted", line: `"1","a,b",""`, want: "'1' | 'a,b' | ''"},
		{name: "doubled quotes", line: `"""",""""""` + `,"a""b""c"`, want: `'"' | '""' | 'a"b"c'`},
		{name: "doubled at the ends", line: `"""a","b""",c`, want: `'"a' | 'b"' | 'c'`},
		{name: "invalid UTF-8", line: "\xff,\"\xff\",\"\"\"\xff\"", want: "'\ufffd' | '\ufffd' | '\"\ufffd'"},
		{name: "carriage return after a quote", line: "1,2,\"3\"\r", want: "'1' | '2' | '3'"},
		{name: "too few", line: "1,2", bad: badCSVColumns},
		{name: "too many", line: "1,2,3,4", bad: badCSVColumns},
		{name: "one more empty", line: "1,2,3,", bad: badCSVColumns},
		{name: "open quote", line: `1,2,"3`, bad: badCSVQuote},
		{name: "open quote at the end", line: `1,2,"`, bad: badCSVQuote},
		{name: "open after doubled", line: `1,2,"3""`, bad: badCSVQuote},
		{name: "after a quote", line: `"1"x,2,3`, bad: badCSVAfter},
		{name: "space after a quote", line: `"1" ,2,3`, bad: badCSVAfter},
		{name: "bare quote", line: `1,5" disk,3`, bad: badCSVBare},
		{name: "quote after a space", line: `1, "2",3`, bad: badCSVBare},
	})
}

func TestLogfmt(t *testing.T) {
	t.Parallel()
	runLines(t, Format{Name: "logfmt"}, []string{"a", "b.c", "msg"}, []lineCase{
		{name: "pairs", line: `a=1 b.c=x msg="hello world"`, want: "'1' | 'x' | 'hello world'"},
		{name: "space around", line: "  a=1\t\tmsg=x  ", want: "'1' | missing | 'x'"},
		{name: "bare key", line: "a b.c=1", want: "null | '1' | missing"},
		{name: "nothing after the sign", line: "a= b.c=1", want: "null | '1' | missing"},
		{name: "nothing after the sign at the end", line: "b.c=1 a=", want: "null | '1' | missing"},
		{name: "empty text", line: `a="" msg=""`, want: "'' | missing | ''"},
		{name: "last of repeated keys", line: "a=1 a=2 msg=x msg", want: "'2' | missing | null"},
		{name: "signs in a value", line: "a=x=y=z msg==", want: "'x=y=z' | missing | '='"},
		{name: "quotes in a value", line: `a=5"x" b.c=it's`, want: `'5"x"' | 'it's' | missing`},
		{name: "JSON escapes", line: `msg="\"\\\/\b\f\n\r\t\u00e9\ud83d\ude00\ud83d"`, want: "missing | missing | '\"\\/\b\f\n\r\té😀\ufffd'"},
		{name: "Go escapes", line: `msg="\a\v\'\xc3\xa9\xff\U0001f600\Uffffffff"`, want: "missing | missing | '\a\v'é\ufffd😀\ufffd'"},
		{name: "backslash at the end", line: `a="x\\" msg="\\\""`, want: `'x\' | missing | '\"'`},
		{name: "controls inside quotes", line: "msg=\"a\tb\"", want: "missing | missing | 'a\tb'"},
		{name: "invalid UTF-8", line: "a=\xff msg=\"\xff\" \xff=1", want: "'\ufffd' | missing | '\ufffd'"},
		{name: "other keys", line: `x="\"" yy="z"`, want: "missing | missing | missing"},
		{name: "no path", line: `b="{c:1}"`, want: "missing | missing | missing"},
		{name: "no pair", line: "just some words", bad: badLogfmtPair},
		{name: "no key", line: "a=1 =2", bad: badLogfmtKey},
		{name: "quote in a key", line: `"a"=1`, bad: badLogfmtKey},
		{name: "open quote", line: `a="x`, bad: badLogfmtQuote},
		{name: "open after an escape", line: `a="x\"`, bad: badLogfmtQuote},
		{name: "after a quote", line: `a="x"y`, bad: badLogfmtAfter},
		{name: "bad escape", line: `x="\q"`, bad: badLogfmtEscape},
		{name: "backslash at the very end", line: `x="\`, bad: badLogfmtQuote},
		{name: "short escape", line: `x="\u12"`, bad: badLogfmtEscape},
		{name: "octal", line: `x="\101"`, bad: badLogfmtEscape},
		{name: "blank", line: " \t ", bad: ErrBlank},
	})
}

func TestRegex(t *testing.T) {
	t.Parallel()
	f := Format{Name: "regex", Pattern: `(?P<level>[A-Z]+)(?: \[(?P<id>\d*)\])? (.*?)(?P<msg>x?.*)`}
	runLines(t, f, []string{"msg", "id", "level"}, []lineCase{
		{name: "groups", line: "INFO [12] hello", want: "'hello' | '12' | 'INFO'"},
		{name: "group that took no part", line: "INFO hello", want: "'hello' | missing | 'INFO'"},
		{name: "empty group", line: "INFO [] ", want: "'' | '' | 'INFO'"},
		{name: "invalid UTF-8", line: "INFO \xff\xff", want: "'\ufffd\ufffd' | missing | 'INFO'"},
		{name: "carriage return", line: "INFO x\r", want: "'x' | missing | 'INFO'"},
		{name: "no match", line: "info x", bad: badRegexMatch},
		{name: "not the whole line", line: " INFO x", bad: badRegexMatch},
		{name: "blank", line: " ", bad: ErrBlank},
	})
	runLines(t, Format{Name: "regex", Pattern: `(?P<a>x)|(?P<b>y)`}, []string{"a", "b"}, []lineCase{
		{name: "alternatives", line: "y", want: "missing | 'y'"},
		{name: "alternatives are anchored left", line: "zy", bad: badRegexMatch},
		{name: "alternatives are anchored right", line: "xz", bad: badRegexMatch},
	})
	runLines(t, Format{Name: "regex", Pattern: `(?P<a>[a-z]+)\Q.*(`}, []string{"a"}, []lineCase{
		{name: "open literal", line: "x.*(", want: "'x'"},
	})
}

func TestCombined(t *testing.T) {
	t.Parallel()
	const head = `192.0.2.7 - frank [10/Oct/2000:13:55:36 -0700] `
	runLines(t, Format{Name: "combined"}, combinedFields(), []lineCase{
		{name: "combined", line: head + `"GET /a.gif?b=c HTTP/1.0" 200 2326 "http://ref/" "Mozilla/4.08 [en]"`,
			want: "'192.0.2.7' | 'frank' | '10/Oct/2000:13:55:36 -0700' | 'GET' | '/a.gif?b=c' | '200' | '2326' | 'http://ref/' | 'Mozilla/4.08 [en]'"},
		{name: "common", line: head + `"GET / HTTP/1.0" 304 -`,
			want: "'192.0.2.7' | 'frank' | '10/Oct/2000:13:55:36 -0700' | 'GET' | '/' | '304' | null | missing | missing"},
		{name: "dashes", line: `- - - [-] "-" - - "-" "-"`,
			want: "null | null | null | missing | missing | null | null | null | null"},
		{name: "empty quotes", line: `::1 - "" [t] "" 400 0 "" ""`,
			want: `'::1' | '""' | 't' | missing | missing | '400' | '0' | '' | ''`},
		{name: "TLS handshake", line: `h - - [t] "\x16\x03\x01\x02\x00\x01" 400 157 "-" "-"`,
			want: "'h' | null | 't' | missing | missing | '400' | '157' | null | null"},
		{name: "raw bytes", line: "h - - [t] \"\x16\x03 \xff \x00\" 400 157 \"-\" \"-\"",
			want: "'h' | null | 't' | missing | missing | '400' | '157' | null | null"},
		{name: "no protocol", line: `h - - [t] "GET /old" 200 1`,
			want: "'h' | null | 't' | missing | missing | '200' | '1' | missing | missing"},
		{name: "two spaces", line: `h - - [t] "GET  HTTP/1.1" 400 1`,
			want: "'h' | null | 't' | missing | missing | '400' | '1' | missing | missing"},
		{name: "no method", line: `h - - [t] "G:T / HTTP/1.1" 400 1`,
			want: "'h' | null | 't' | missing | missing | '400' | '1' | missing | missing"},
		{name: "path with spaces", line: `h - - [t] "GET /a b HTTP/1.1" 200 1`,
			want: "'h' | null | 't' | 'GET' | '/a b' | '200' | '1' | missing | missing"},
		{name: "escapes", line: `h - - [t] "GET /\"\\\x41 HTTP/1.1" 200 1 "\xd0\x9f\xff" "a\"b\\\t\q\v\xg"`,
			want: "'h' | null | 't' | 'GET' | '/\"\\A' | '200' | '1' | 'П\ufffd' | 'a\"b\\\t\\q\v\\xg'"},
		{name: "user with spaces and brackets", line: `h - john [x] doe[1] [t] "GET / HTTP/2.0" 200 1`, bad: badCombinedRequest},
		{name: "user with spaces", line: `h - john doe[1] [t] "GET / HTTP/2.0" 200 1`,
			want: "'h' | 'john doe[1]' | 't' | 'GET' | '/' | '200' | '1' | missing | missing"},
		{name: "fields appended", line: `h - - [t] "GET / HTTP/1.1" 200 1 "-" "ua" "10.0.0.1" 0.003`,
			want: "'h' | null | 't' | 'GET' | '/' | '200' | '1' | null | 'ua'"},
		{name: "space at the end", line: `h - - [t] "GET / HTTP/1.1" 200 1 `,
			want: "'h' | null | 't' | 'GET' | '/' | '200' | '1' | missing | missing"},
		{name: "invalid UTF-8", line: "h\xff - u\xff [t\xff] \"GET /\xff HTTP/1.1\" 200 1 \"\xff\" \"\xff\"",
			want: "'h\ufffd' | 'u\ufffd' | 't\ufffd' | 'GET' | '/\ufffd' | '200' | '1' | '\ufffd' | '\ufffd'"},
		{name: "words", line: "hello", bad: badCombinedClient},
		{name: "one word and a space", line: "h ", bad: badCombinedClient},
		{name: "two words", line: "h -", bad: badCombinedClient},
		{name: "no bracket after a space", line: "h - -[t]", bad: badCombinedClient},
		{name: "escape at the end", line: "h - - [t] \"x\\", bad: badCombinedRequest},
		{name: "no bracket", line: "h - - t", bad: badCombinedClient},
		{name: "no user", line: "h - [t]", bad: badCombinedClient},
		{name: "empty user", line: "h -  [t]", bad: badCombinedClient},
		{name: "bracket without space", line: "h - -[t] - [", bad: badCombinedTime},
		{name: "open bracket", line: "h - - [t", bad: badCombinedTime},
		{name: "no time", line: `h - - [] "x" 200 1`, bad: badCombinedTime},
		{name: "no request", line: "h - - [t]", bad: badCombinedRequest},
		{name: "open request", line: `h - - [t] "GET`, bad: badCombinedRequest},
		{name: "open request with escape", line: `h - - [t] "GET\"`, bad: badCombinedRequest},
		{name: "short status", line: `h - - [t] "x" 20 1`, bad: badCombinedStatus},
		{name: "no status", line: `h - - [t] "x"`, bad: badCombinedStatus},
		{name: "status alone", line: `h - - [t] "x" 200`, bad: badCombinedStatus},
		{name: "no bytes", line: `h - - [t] "x" 200 `, bad: badCombinedBytes},
		{name: "bytes of letters", line: `h - - [t] "x" 200 1k`, bad: badCombinedBytes},
		{name: "referer without quotes", line: `h - - [t] "x" 200 1 -`, bad: badCombinedTail},
		{name: "no agent", line: `h - - [t] "x" 200 1 "-"`, bad: badCombinedTail},
		{name: "open agent", line: `h - - [t] "x" 200 1 "-" "`, bad: badCombinedTail},
		{name: "after the agent", line: `h - - [t] "x" 200 1 "-" "-"x`, bad: badCombinedTail},
	})
}

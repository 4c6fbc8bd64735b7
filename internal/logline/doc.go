// Package logline turns the bytes of one line into the fields that somebody asked for.
//
// A [Parser] is compiled once from a [Format] and the list of wanted fields; Parse then walks over the bytes of a
// line, checks the whole of it for structure, and hands out views into it. Nothing is built per line: no map, no
// copy of a string that needs none. Everything here is pure: no I/O, no clock, no state between lines.
//
// A Parser belongs to one goroutine; compile one per goroutine.
package logline

// Package dirarchive is the log archive in a directory: a key is the path of a file below it, tags live beside it in
// SQLite.
//
// What it promises: no path outside the directory is ever touched, whatever a key says (links inside it are followed,
// links that lead out are an error); listings come in the byte order of keys, as in S3, with one directory's names per
// level in memory; a body ends with [archive.ErrChanged] when its file is written to in place, and reads the old version
// to its end when the file is replaced. MergeTags loses nothing, and of several Creates of one key one wins, also between
// processes; what Create has made is on the disk with all its directories.
//
// What it does not: a file that others change in place within one tick of the file system's clock, keeping its size,
// looks unchanged. Put gives every version a time of its own. A directory cannot hold a key that is also another key's
// folder ("a" beside "a/b"), nor a piece of a key longer than 255 bytes.
//
//	a, err := dirarchive.New(ctx, dirarchive.Options{Root: "/var/log/archive", Tags: ".reprise/tags.db"})
//	…
//	defer a.Close()
package dirarchive

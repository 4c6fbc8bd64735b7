package sqlitedb

import (
	"context"
	"database/sql/driver"
	"errors"
)

// maxStatements is how many statements a connection keeps, each some kilobytes. A package's texts are far fewer; those that
// are put together anew for each number of values may be more.
const maxStatements = 64

// connector makes connections that keep the statements they have prepared: SQLite takes longer to read one than to run
// it, BEGIN and COMMIT included.
type connector struct {
	driver.Connector
	writes bool // its statements run to their end: see stmt
}

// Connect opens a connection, as database/sql asks for it.
func (c connector) Connect(ctx context.Context) (driver.Conn, error) {
	raw, err := c.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	return &conn{sqliteConn: raw.(sqliteConn), writes: c.writes, idle: map[string]*stmt{}}, nil
}

// sqliteConn is what the driver's connections are. To run a text without a statement is left out, so that database/sql
// prepares it first and closes it after.
type sqliteConn interface {
	driver.Conn
	driver.ConnBeginTx
	driver.ConnPrepareContext
	driver.SessionResetter
	driver.Validator
}

// conn is one connection. database/sql lets one goroutine at a time use it, and close its statements.
type conn struct {
	sqliteConn
	writes bool
	idle   map[string]*stmt // by text; one that is in use is not there
}

// PrepareContext gives an idle statement of this text out, or makes one. SQLite reads a text anew by itself where another
// process has changed the tables.
func (c *conn) PrepareContext(ctx context.Context, text string) (driver.Stmt, error) {
	if s := c.idle[text]; s != nil {
		delete(c.idle, text)
		return s, nil
	}
	if c.writes {
		ctx = context.WithoutCancel(ctx)
	}
	raw, err := c.sqliteConn.PrepareContext(ctx, text)
	if err != nil {
		return nil, err
	}
	return &stmt{sqliteStmt: raw.(sqliteStmt), conn: c, text: text}, nil
}

// Prepare is PrepareContext.
func (c *conn) Prepare(text string) (driver.Stmt, error) {
	return c.PrepareContext(context.Background(), text)
}

// Close ends the connection with all its statements.
func (c *conn) Close() error {
	var errs []error
	for _, s := range c.idle {
		errs = append(errs, s.sqliteStmt.Close())
	}
	c.idle = nil
	return errors.Join(append(errs, c.sqliteConn.Close())...)
}

// sqliteStmt is what the driver's statements are.
type sqliteStmt interface {
	driver.Stmt
	driver.StmtExecContext
	driver.StmtQueryContext
}

// stmt is a statement that goes back to its connection instead of being closed.
//
// One that writes is not cut off in the middle when its context ends: the driver would start a goroutine for each, which
// costs as much as the statement. Tx looks at the context between statements, the longest of which takes milliseconds.
type stmt struct {
	sqliteStmt
	conn *conn
	text string
}

// ExecContext runs it.
func (s *stmt) ExecContext(ctx context.Context, args []driver.NamedValue) (driver.Result, error) {
	if s.conn.writes {
		ctx = context.Background()
	}
	return s.sqliteStmt.ExecContext(ctx, args)
}

// QueryContext runs it.
func (s *stmt) QueryContext(ctx context.Context, args []driver.NamedValue) (driver.Rows, error) {
	if s.conn.writes {
		ctx = context.Background()
	}
	return s.sqliteStmt.QueryContext(ctx, args)
}

// Close keeps it for the next one who prepares this text. Where there are too many, any other one goes.
func (s *stmt) Close() error {
	idle := s.conn.idle
	if idle == nil || idle[s.text] != nil { // the connection is closed, or the text was in use twice at a time
		return s.sqliteStmt.Close()
	}
	idle[s.text] = s
	if len(idle) <= maxStatements {
		return nil
	}
	for text, other := range idle {
		if other != s {
			delete(idle, text)
			return other.sqliteStmt.Close()
		}
	}
	return nil
}

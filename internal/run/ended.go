package run

import (
	"context"
	"fmt"
	"time"

	"imreport/internal/db"
)

// EndedSince are the runs of the workspace that ended at or after the instant,
// by this program's clocks, oldest first, at most limit. Whoever watches for
// changes asks for a little more than it has missed, because clocks differ.
func (s *Service) EndedSince(ctx context.Context, workspaceID string, since time.Time, limit int) ([]View, error) {
	all, err := db.All(ctx, s.d, scanView, `SELECT `+viewColumns+` FROM run r
		WHERE r.workspace_id = $1 AND r.ended_us >= $2 AND r.ended_us > 0 ORDER BY r.ended_us LIMIT $3`,
		workspaceID, db.US(since), limit)
	if err != nil {
		return nil, fmt.Errorf("runs that ended: %w", err)
	}
	return all, nil
}

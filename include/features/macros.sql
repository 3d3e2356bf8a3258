-- What features.sql has beside DuckDB's own functions; create_macros makes them before the query runs.
--
-- They are expanded into the query, as if written there by hand. A `moment` is a DATE or a TIMESTAMP in UTC.
-- None of them knows what was known when: the care that each needs for it is said beside it.

-- The calendar. A prediction_time is always known, and so is a time announced before it.

-- The time at the clocks of a zone, such as 'Europe/Berlin', of a moment in UTC. It costs more than the others: call it
-- once a row, in the spine. An hour of it comes twice when clocks go back, so never order or join by it.
CREATE MACRO local_time(moment, zone) AS timezone(zone, timezone('UTC', CAST(moment AS TIMESTAMP)));

-- Whether a moment is on a Saturday or a Sunday.
CREATE MACRO is_weekend(moment) AS isodow(moment) >= 6;

-- The hour of the week: 0 from Monday 00:00, 167 from Sunday 23:00.
CREATE MACRO hour_of_week(moment) AS (isodow(moment) - 1) * 24 + hour(CAST(moment AS TIMESTAMP));

-- Days until the last day of the month: 0 on it, 30 on 1 January.
CREATE MACRO days_to_month_end(moment) AS date_diff('day', CAST(moment AS DATE), last_day(moment));

-- A position in a cycle, as a point of a circle, whose end is next to its start: cycle_sin(hour(moment), 24).
CREATE MACRO cycle_sin(position, period) AS sin(2 * pi() * position / period);
CREATE MACRO cycle_cos(position, period) AS cos(2 * pi() * position / period);

-- The season, as a point of a circle: sine 0 and cosine 1 on 1 January.
CREATE MACRO day_of_year_sin(moment) AS cycle_sin(dayofyear(moment) - 1, 365.25);
CREATE MACRO day_of_year_cos(moment) AS cycle_cos(dayofyear(moment) - 1, 365.25);

-- Ages. The event must have been known at the moment: take it from an as-of join on available_at.

-- Days from an event to a moment, with fractions; below 0 where the event is still to come.
CREATE MACRO days_since(event_at, moment) AS
    (epoch_us(CAST(moment AS TIMESTAMP)) - epoch_us(CAST(event_at AS TIMESTAMP))) / 86_400_000_000;

-- The same in hours.
CREATE MACRO hours_since(event_at, moment) AS
    (epoch_us(CAST(moment AS TIMESTAMP)) - epoch_us(CAST(event_at AS TIMESTAMP))) / 3_600_000_000;

-- A value that became known at `earliest` or later; an older one counts as unknown. Around each value of an as-of
-- join it bounds what a feature reads, which features.lookback_days promises.
CREATE MACRO if_since(value, known_at, earliest) AS CASE WHEN known_at >= earliest THEN value END;

-- Shares. Both numbers must be of what was known at prediction_time.

-- A part of a whole; null where the whole is 0, since a feature that is infinite is refused.
CREATE MACRO ratio(part, whole) AS part / nullif(whole, 0);

-- A share of successes among trials, drawn towards the share `prior` as if `weight` trials more had been seen there;
-- no trials, or null, give the prior. The prior is a share of what was known too, never one over all rows.
CREATE MACRO shrunk_rate(successes, trials, prior, weight) AS
    (coalesce(successes, 0) + weight * prior) / nullif(coalesce(trials, 0) + weight, 0);

-- Windows. `known_at` is when a row became known, so available_at or later, never the day that the row tells of: a row
-- that comes late would be in windows that were asked for before it came. Each gives for a row of the history what its
-- `entity` (a column, or several in brackets) shows in the rows known in (known_at - span, known_at], nulls left out:
-- INTERVAL 7 DAYS is 7 days, not 8. Rows known at the same moment share one window, which holds the row's own value: a
-- prediction never reads it off its own row, but takes the newest window by an as-of join. Of the source that the
-- prediction's row comes from the join is by known_at < prediction_time, or it finds that row with its label; of another
-- source, by known_at <= prediction_time. The window ends there at the last row, however long ago. A query that groups
-- names the columns: GROUP BY ALL does not see that these are windows.
CREATE MACRO trailing_sum(value, entity, known_at, span) AS sum(value) OVER (
    PARTITION BY entity ORDER BY CAST(known_at AS TIMESTAMP)
    RANGE BETWEEN span - INTERVAL 1 MICROSECOND PRECEDING AND CURRENT ROW
);
CREATE MACRO trailing_mean(value, entity, known_at, span) AS avg(value) OVER (
    PARTITION BY entity ORDER BY CAST(known_at AS TIMESTAMP)
    RANGE BETWEEN span - INTERVAL 1 MICROSECOND PRECEDING AND CURRENT ROW
);
-- How many values are not null; trailing_count(1, ...) counts the rows.
CREATE MACRO trailing_count(value, entity, known_at, span) AS count(value) OVER (
    PARTITION BY entity ORDER BY CAST(known_at AS TIMESTAMP)
    RANGE BETWEEN span - INTERVAL 1 MICROSECOND PRECEDING AND CURRENT ROW
);
CREATE MACRO trailing_min(value, entity, known_at, span) AS min(value) OVER (
    PARTITION BY entity ORDER BY CAST(known_at AS TIMESTAMP)
    RANGE BETWEEN span - INTERVAL 1 MICROSECOND PRECEDING AND CURRENT ROW
);
CREATE MACRO trailing_max(value, entity, known_at, span) AS max(value) OVER (
    PARTITION BY entity ORDER BY CAST(known_at AS TIMESTAMP)
    RANGE BETWEEN span - INTERVAL 1 MICROSECOND PRECEDING AND CURRENT ROW
);
-- The standard deviation of a sample; null of fewer than two values.
CREATE MACRO trailing_std(value, entity, known_at, span) AS stddev_samp(value) OVER (
    PARTITION BY entity ORDER BY CAST(known_at AS TIMESTAMP)
    RANGE BETWEEN span - INTERVAL 1 MICROSECOND PRECEDING AND CURRENT ROW
);

-- What the entity's rows known before the row show, in (known_at - span, known_at): neither the row's own value nor that
-- of another row known at the same moment, so these can be read off the prediction's own row.
CREATE MACRO earlier_sum(value, entity, known_at, span) AS sum(value) OVER (
    PARTITION BY entity ORDER BY CAST(known_at AS TIMESTAMP)
    RANGE BETWEEN span - INTERVAL 1 MICROSECOND PRECEDING AND INTERVAL 1 MICROSECOND PRECEDING
);
CREATE MACRO earlier_mean(value, entity, known_at, span) AS avg(value) OVER (
    PARTITION BY entity ORDER BY CAST(known_at AS TIMESTAMP)
    RANGE BETWEEN span - INTERVAL 1 MICROSECOND PRECEDING AND INTERVAL 1 MICROSECOND PRECEDING
);
CREATE MACRO earlier_count(value, entity, known_at, span) AS count(value) OVER (
    PARTITION BY entity ORDER BY CAST(known_at AS TIMESTAMP)
    RANGE BETWEEN span - INTERVAL 1 MICROSECOND PRECEDING AND INTERVAL 1 MICROSECOND PRECEDING
);

-- The newest value that was known `lag` before the row, unless it was then older than `slack`; null where there is
-- none. It reads `lag` and `slack` together back. Of several known at the same moment it is the greatest.
CREATE MACRO lagged(value, entity, known_at, lag, slack) AS last_value(
    value ORDER BY CAST(known_at AS TIMESTAMP), value NULLS FIRST
) OVER (
    PARTITION BY entity ORDER BY CAST(known_at AS TIMESTAMP)
    RANGE BETWEEN lag + slack PRECEDING AND lag PRECEDING
);

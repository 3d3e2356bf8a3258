-- The flights whose end became known from :start up to, and without, :end.
SELECT
    flight_id,
    status,
    departure_delay_minutes,
    arrival_delay_minutes,
    air_time_minutes,
    known_at
FROM outcomes
WHERE known_at >= :start AND known_at < :end

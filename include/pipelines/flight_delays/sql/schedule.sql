-- The flights that were announced from :start up to, and without, :end.
SELECT
    flight_id,
    carrier,
    flight,
    tail_number,
    origin,
    destination,
    flight_date,
    departure_hour,
    departure_minute,
    scheduled_departure,
    scheduled_arrival,
    distance_miles,
    published_at
FROM schedule
WHERE published_at >= :start AND published_at < :end

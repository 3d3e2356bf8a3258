-- One row a flight. The question is asked at 00:00 UTC of the flight's day, hours before the first
-- departure, and every feature is what was known then: the announced schedule, outcomes that had become
-- known on earlier days, the last weather observed, and the plane registry.
WITH spine AS (
    SELECT
        s.*,
        s.flight_date AS prediction_time,
        CAST(s.flight_date AS DATE) AS prediction_day,
        CASE
            WHEN o.flight_id IS NOT NULL
            THEN CAST(o.status <> 'arrived' OR o.arrival_delay_minutes > 15 AS INTEGER)
        END AS is_late
    FROM schedule AS s
    LEFT JOIN outcomes AS o USING (flight_id)
),

-- What each known outcome says, on the day on which it became known.
history AS (
    SELECT
        s.carrier,
        s.flight,
        s.origin,
        s.destination,
        s.departure_hour,
        CAST(o.available_at AS DATE) AS known_day,
        CAST(o.status <> 'arrived' OR o.arrival_delay_minutes > 15 AS INTEGER) AS late,
        o.departure_delay_minutes
    FROM outcomes AS o
    JOIN schedule AS s USING (flight_id)
),

-- Trailing sums at the end of each day; a flight of a later day takes the newest before its own.
network AS (
    SELECT
        known_day,
        sum(sum(late)) OVER last_28 / sum(count(*)) OVER last_28 AS late_share_28d,
        sum(late) / count(*) AS late_share_1d
    FROM history
    GROUP BY known_day
    WINDOW last_28 AS (ORDER BY known_day RANGE BETWEEN INTERVAL 27 DAYS PRECEDING AND CURRENT ROW)
),

carriers AS (
    SELECT
        carrier,
        known_day,
        sum(sum(late)) OVER last_7 / sum(count(*)) OVER last_7 AS late_share_7d,
        sum(sum(late)) OVER last_28 / sum(count(*)) OVER last_28 AS late_share_28d
    FROM history
    GROUP BY carrier, known_day
    WINDOW
        last_7 AS (
            PARTITION BY carrier ORDER BY known_day
            RANGE BETWEEN INTERVAL 6 DAYS PRECEDING AND CURRENT ROW
        ),
        last_28 AS (
            PARTITION BY carrier ORDER BY known_day
            RANGE BETWEEN INTERVAL 27 DAYS PRECEDING AND CURRENT ROW
        )
),

origins AS (
    SELECT
        origin,
        known_day,
        sum(late) / count(*) AS late_share_1d,
        avg(departure_delay_minutes) AS departure_delay_1d,
        sum(sum(late)) OVER last_7 / sum(count(*)) OVER last_7 AS late_share_7d
    FROM history
    GROUP BY origin, known_day
    WINDOW last_7 AS (
        PARTITION BY origin ORDER BY known_day
        RANGE BETWEEN INTERVAL 6 DAYS PRECEDING AND CURRENT ROW
    )
),

origin_hours AS (
    SELECT
        origin,
        departure_hour,
        known_day,
        sum(sum(late)) OVER last_28 / sum(count(*)) OVER last_28 AS late_share_28d
    FROM history
    GROUP BY origin, departure_hour, known_day
    WINDOW last_28 AS (
        PARTITION BY origin, departure_hour ORDER BY known_day
        RANGE BETWEEN INTERVAL 27 DAYS PRECEDING AND CURRENT ROW
    )
),

routes AS (
    SELECT
        origin,
        destination,
        known_day,
        sum(sum(late)) OVER last_28 AS late_28d,
        sum(count(*)) OVER last_28 AS flights_28d
    FROM history
    GROUP BY origin, destination, known_day
    WINDOW last_28 AS (
        PARTITION BY origin, destination ORDER BY known_day
        RANGE BETWEEN INTERVAL 27 DAYS PRECEDING AND CURRENT ROW
    )
),

flight_numbers AS (
    SELECT
        carrier,
        flight,
        origin,
        known_day,
        sum(sum(late)) OVER last_28 AS late_28d,
        sum(count(*)) OVER last_28 AS flights_28d
    FROM history
    GROUP BY carrier, flight, origin, known_day
    WINDOW last_28 AS (
        PARTITION BY carrier, flight, origin ORDER BY known_day
        RANGE BETWEEN INTERVAL 27 DAYS PRECEDING AND CURRENT ROW
    )
),

observed AS (
    SELECT
        origin,
        available_at,
        temperature_f,
        dew_point_f,
        humidity_percent,
        wind_speed_mph,
        visibility_miles,
        pressure_millibars,
        sum(precipitation_inches) OVER last_day AS precipitation_24h,
        min(visibility_miles) OVER last_day AS visibility_min_24h,
        max(wind_speed_mph) OVER last_day AS wind_max_24h,
        pressure_millibars - first(pressure_millibars) OVER last_day AS pressure_change_24h
    FROM weather
    WINDOW last_day AS (
        PARTITION BY origin ORDER BY available_at
        RANGE BETWEEN INTERVAL 24 HOURS PRECEDING AND CURRENT ROW
    )
)

SELECT
    spine.flight_id,
    spine.prediction_time,
    spine.is_late,

    -- the announced flight
    spine.carrier,
    spine.origin,
    spine.destination,
    spine.distance_miles,
    spine.departure_hour,
    spine.departure_hour * 60 + spine.departure_minute AS departure_minute_of_day,
    date_diff('minute', spine.scheduled_departure, spine.scheduled_arrival) AS scheduled_minutes,
    dayofweek(spine.prediction_day) AS weekday,
    month(spine.prediction_day) AS month,

    -- how full the announced day is
    count(*) OVER (PARTITION BY spine.prediction_day, spine.origin) AS origin_flights_of_day,
    count(*) OVER (PARTITION BY spine.prediction_day, spine.origin, spine.departure_hour)
        AS origin_flights_of_hour,
    count(*) OVER (PARTITION BY spine.prediction_day, spine.destination) AS destination_flights_of_day,
    CASE
        WHEN spine.tail_number IS NOT NULL
        THEN row_number() OVER (
            PARTITION BY spine.prediction_day, spine.tail_number ORDER BY spine.scheduled_departure, spine.flight_id
        )
    END AS plane_departure_of_day,

    -- how late flights like this one have been
    network.late_share_1d AS network_late_share_1d,
    network.late_share_28d AS network_late_share_28d,
    carriers.late_share_7d AS carrier_late_share_7d,
    carriers.late_share_28d AS carrier_late_share_28d,
    origins.late_share_1d AS origin_late_share_1d,
    origins.late_share_7d AS origin_late_share_7d,
    origins.departure_delay_1d AS origin_departure_delay_1d,
    origin_hours.late_share_28d AS origin_hour_late_share_28d,
    -- few flights say little: shares are shrunk towards the network's by the weight of 20 flights
    (coalesce(routes.late_28d, 0) + 20 * network.late_share_28d) / (coalesce(routes.flights_28d, 0) + 20)
        AS route_late_share_28d,
    (coalesce(flight_numbers.late_28d, 0) + 20 * network.late_share_28d)
    / (coalesce(flight_numbers.flights_28d, 0) + 20) AS flight_number_late_share_28d,
    coalesce(flight_numbers.flights_28d, 0) AS flight_number_flights_28d,

    -- the weather when the question is asked
    observed.temperature_f,
    observed.dew_point_f,
    observed.humidity_percent,
    observed.wind_speed_mph,
    observed.visibility_miles,
    observed.pressure_millibars,
    observed.precipitation_24h,
    observed.visibility_min_24h,
    observed.wind_max_24h,
    observed.pressure_change_24h,

    -- the plane
    year(spine.prediction_day) - planes.year_built AS plane_age_years,
    planes.seats AS plane_seats,
    planes.manufacturer AS plane_manufacturer
FROM spine
ASOF LEFT JOIN network ON network.known_day < spine.prediction_day
ASOF LEFT JOIN carriers
    ON carriers.carrier = spine.carrier AND carriers.known_day < spine.prediction_day
ASOF LEFT JOIN origins
    ON origins.origin = spine.origin AND origins.known_day < spine.prediction_day
ASOF LEFT JOIN origin_hours
    ON origin_hours.origin = spine.origin
    AND origin_hours.departure_hour = spine.departure_hour
    AND origin_hours.known_day < spine.prediction_day
ASOF LEFT JOIN routes
    ON routes.origin = spine.origin
    AND routes.destination = spine.destination
    AND routes.known_day < spine.prediction_day
ASOF LEFT JOIN flight_numbers
    ON flight_numbers.carrier = spine.carrier
    AND flight_numbers.flight = spine.flight
    AND flight_numbers.origin = spine.origin
    AND flight_numbers.known_day < spine.prediction_day
ASOF LEFT JOIN observed
    ON observed.origin = spine.origin AND observed.available_at <= spine.prediction_time
ASOF LEFT JOIN planes
    ON planes.tail_number = spine.tail_number AND planes.available_at <= spine.prediction_time
